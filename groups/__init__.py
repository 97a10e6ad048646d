"""The domain: who may do what in a support group, and the deeds themselves.

A deed is a plain function over a unit of work: it asks `policy`, acts, and hands out a frozen view. Reading order:
`models`, `views`, `policy`, `visibility`; then `places` and `people` (reads), `founding`, `membership` and `parking`,
`invitations`, `composing` and `posting` (deeds of people here); then `translation` and `distribution` (what leaves),
`incoming` and `arrivals` (what comes in), and `federation` and `publications`, which answer the ports of the protocol.
"""
