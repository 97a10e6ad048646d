"""How often an app may ask, by its access token, or by the address of who has none.

Mastodon allows 300 requests in five minutes for a token; apps that show several groups as lists and poll each of them
need more, so there are more here.
"""

from privacy.budgets import Rate

SIGNED_IN = Rate(7_500, 300.0)
ANONYMOUS = Rate(3_000, 300.0)
REGISTRATIONS = Rate(300, 300.0)
POSTS = Rate(1_500, 300.0)
