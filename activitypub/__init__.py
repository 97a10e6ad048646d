"""How this node talks with other servers: what is said on the wire, who may say it, in and out.

What computes comes first and touches nothing: `vocabulary`, `signatures`, `jsonld`, `audience`, `origins`, `uris`,
`webfinger`, `nodeinfo`, `backoff`. Around it stands the shell. In: `endpoints` → `inbox` → `handling`, which calls what
`ports` asks of the floor above. Out: `delivery` → `dispatch` over `outbox`, and `egress`, the one way out. Actors are
found by `discovery` and kept by `actors`, their names by `handles`; `peers` and `describing` know other servers, and
`domains` and `blocklists` how the admin names them.
"""
