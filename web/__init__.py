"""The faces for people and their apps: pages that work without scripts, and the Mastodon client API.

`routes` lists both. `visitors` and `forms` are how a page knows who asks and what was sent; `mastodon.calls` is the
same for apps. A route parses, calls one deed of the floors below, and presents; it decides nothing.
"""
