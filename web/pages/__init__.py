"""The pages, by what they are about; each works without JavaScript.

`framing` stands around every page, `presenting` turns views into what templates show, `wording` holds the sentences.
"""
