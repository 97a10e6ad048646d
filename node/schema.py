"""Every table of the node, named once, for migrations and tests."""

from activitypub import models as activitypub_models
from groups import models as groups_models
from privacy import accounts, models
from privacy.records import Record
from web import models as web_models

MODULES = (models, accounts, activitypub_models, groups_models, web_models)
metadata = Record.metadata
