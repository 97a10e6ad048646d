"""What travels between servers, as frozen dataclasses: ActivityStreams 2.0 with the dialects of the network.

Reading order: `base` (URIs, references, and how single fields are read), `objects`, `actors`, `activities`,
`collections`; then the two doors: `reading.parse` makes an object of a document, `writing.to_document` makes a
document of an object.
"""
