"""The ground: who is who, what is kept, and how it ends.

Nothing may be stored that has not said what it holds and how it is erased; therefore every table of the node stands on
`privacy.records.Record`. Reading order: `errors`, `clock`, `records`, `keyring`, `vault`, `unit_of_work`, `models`,
then the deeds: `accounts`, `personas`, `retention`.
"""
