"""The Mastodon client API, with groups as accounts and lists (client API reference §8 and §15).

`routes` lists the methods, `calls` frames each of them, `entities` is what apps see of the domain.
"""
