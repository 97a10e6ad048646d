"""HTTP signatures and the keys behind them: pure, no clock, no network, no database.

Read `keys`, then `digest`, `messages` (what is signed, and what a signature claims), then the two dialects
`cavage` (draft-cavage-http-signatures-12, what nearly every peer speaks) and `rfc9421`; `inbound` chooses between them.
"""
