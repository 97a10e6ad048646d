"""The first tables: accounts and personas, actors and queues, groups and posts, sessions and apps.

Locks nothing, for there is nothing yet. A rollback drops every table, and all that was stored with it.
"""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "20261123_first_tables"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""SQLite wants the word INTEGER to use a column as its row id."""


def upgrade() -> None:
    """Make every table."""
    for make in TABLES.values():
        make()


def downgrade() -> None:
    """Drop every table."""
    for name in reversed(TABLES):
        op.drop_table(name)


def _access_tokens() -> None:
    op.create_table(
        "access_tokens",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("application_id", ID, nullable=False),
        sa.Column("actor_id", ID, nullable=True),
        sa.Column("acting_id", ID, nullable=True),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_access_tokens")),
        sa.UniqueConstraint("id", name=op.f("uq_access_tokens_id")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_access_tokens_acting_id"), "access_tokens", ["acting_id"], unique=False)
    op.create_index(op.f("ix_access_tokens_actor_id"), "access_tokens", ["actor_id"], unique=False)
    op.create_index(op.f("ix_access_tokens_application_id"), "access_tokens", ["application_id"], unique=False)


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("login_tag", sa.LargeBinary(), nullable=False),
        sa.Column("email_tag", sa.LargeBinary(), nullable=True),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_on", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("email_tag", name=op.f("uq_accounts_email_tag")),
        sa.UniqueConstraint("login_tag", name=op.f("uq_accounts_login_tag")),
    )


def _actors() -> None:
    op.create_table(
        "actors",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("uri", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("local", sa.Boolean(), nullable=False),
        sa.Column("local_handle", sa.String(), nullable=True),
        sa.Column("handle", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("inbox", sa.String(), nullable=False),
        sa.Column("shared_inbox", sa.String(), nullable=True),
        sa.Column("followers", sa.String(), nullable=True),
        sa.Column("outbox", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("open_to_all", sa.Boolean(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=True),
        sa.Column("rsa_public_pem", sa.String(), nullable=True),
        sa.Column("ed25519_key_id", sa.String(), nullable=True),
        sa.Column("ed25519_public_multibase", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_on", sa.BigInteger(), nullable=False),
        sa.Column("fetched_at", sa.BigInteger(), nullable=True),
        sa.Column("refused_until", sa.BigInteger(), nullable=True),
        sa.Column("bucket", sa.String(), nullable=False),
        sa.Column("slot", ID, nullable=False),
        sa.Column("revision", ID, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_actors")),
        sa.UniqueConstraint("local_handle", name=op.f("uq_actors_local_handle")),
        sa.UniqueConstraint("uri", name=op.f("uq_actors_uri")),
    )
    op.create_index(op.f("ix_actors_ed25519_key_id"), "actors", ["ed25519_key_id"], unique=False)
    op.create_index("ix_actors_handle_host", "actors", ["handle", "host"], unique=False)
    op.create_index(op.f("ix_actors_host"), "actors", ["host"], unique=False)
    op.create_index(op.f("ix_actors_inbox"), "actors", ["inbox"], unique=False)
    op.create_index(op.f("ix_actors_key_id"), "actors", ["key_id"], unique=False)
    op.create_index(op.f("ix_actors_slot"), "actors", ["slot"], unique=False)


def _authorization_codes() -> None:
    op.create_table(
        "authorization_codes",
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("application_id", ID, nullable=False),
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("acting_id", ID, nullable=True),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("redirect_uri", sa.String(), nullable=False),
        sa.Column("code_challenge", sa.String(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_for", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_authorization_codes")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_authorization_codes_expires_at"), "authorization_codes", ["expires_at"], unique=False)


def _idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("token_id", ID, autoincrement=False, nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("post_id", ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_id", "key_hash", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False)


def _inbox_items() -> None:
    op.create_table(
        "inbox_items",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("id_hash", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("signer_id", ID, nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", ID, nullable=False),
        sa.Column("lease", ID, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox_items")),
        sa.UniqueConstraint("id_hash", name=op.f("uq_inbox_items_id_hash")),
    )
    op.create_index(
        "ix_inbox_items_due_at",
        "inbox_items",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_inbox_items_received_at", "inbox_items", ["received_at"], unique=False)


def _ledger_entries() -> None:
    op.create_table(
        "ledger_entries",
        sa.Column("object_id", ID, autoincrement=False, nullable=False),
        sa.Column("inbox", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("via", sa.String(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("object_id", "inbox", name=op.f("pk_ledger_entries")),
    )
    op.create_index(op.f("ix_ledger_entries_ends_at"), "ledger_entries", ["ends_at"], unique=False)


def _markers() -> None:
    op.create_table(
        "markers",
        sa.Column("actor_id", ID, autoincrement=False, nullable=False),
        sa.Column("timeline", sa.String(), nullable=False),
        sa.Column("last_read_id", sa.String(), nullable=False),
        sa.Column("version", ID, nullable=False),
        sa.Column("updated_on", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("actor_id", "timeline", name=op.f("pk_markers")),
    )


def _node_states() -> None:
    op.create_table(
        "node_states",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_node_states")),
    )


def _notifications() -> None:
    op.create_table(
        "notifications",
        sa.Column("persona_id", ID, autoincrement=False, nullable=False),
        sa.Column("number", ID, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("group_id", ID, nullable=True),
        sa.Column("post_id", ID, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("persona_id", "number", name=op.f("pk_notifications")),
    )
    op.create_index(op.f("ix_notifications_actor_id"), "notifications", ["actor_id"], unique=False)
    op.create_index("ix_notifications_expires_at", "notifications", ["expires_at"], unique=False)
    op.create_index(op.f("ix_notifications_post_id"), "notifications", ["post_id"], unique=False)


def _oauth_applications() -> None:
    op.create_table(
        "oauth_applications",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("client_secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("website", sa.String(), nullable=True),
        sa.Column("redirect_uris", sa.String(), nullable=False),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("confidential", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_applications")),
        sa.UniqueConstraint("client_id", name=op.f("uq_oauth_applications_client_id")),
    )


def _outbox_items() -> None:
    op.create_table(
        "outbox_items",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("object_id", ID, nullable=True),
        sa.Column("group_id", ID, nullable=False),
        sa.Column("subject_id", ID, nullable=True),
        sa.Column("bucket", sa.String(), nullable=True),
        sa.Column("slot", ID, nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("ordering_key", ID, nullable=False),
        sa.Column("audience", sa.String(), nullable=True),
        sa.Column("audience_of", ID, nullable=True),
        sa.Column("spread_to", sa.String(), nullable=True),
        sa.Column("spread_tries", ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_items")),
    )
    op.create_index("ix_outbox_items_ordering_key", "outbox_items", ["ordering_key", "id"], unique=False)
    op.create_index(
        "ix_outbox_items_spreading",
        "outbox_items",
        ["ordering_key", "id"],
        unique=False,
        sqlite_where=sa.text("audience IS NOT NULL"),
        postgresql_where=sa.text("audience IS NOT NULL"),
    )
    op.create_index(op.f("ix_outbox_items_actor_id"), "outbox_items", ["actor_id"], unique=False)
    op.create_index(op.f("ix_outbox_items_created_at"), "outbox_items", ["created_at"], unique=False)
    op.create_index(op.f("ix_outbox_items_object_id"), "outbox_items", ["object_id"], unique=False)


def _peer_rules() -> None:
    op.create_table(
        "peer_rules",
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("reject_media", sa.Boolean(), nullable=False),
        sa.Column("reject_reports", sa.Boolean(), nullable=False),
        sa.Column("obfuscate", sa.Boolean(), nullable=False),
        sa.Column("public_comment", sa.String(), nullable=False),
        sa.Column("private_comment", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=True),
        sa.Column("list_id", ID, nullable=True),
        sa.Column("made_by", ID, nullable=True),
        sa.Column("made_on", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_peer_rules")),
    )
    op.create_index(op.f("ix_peer_rules_list_id"), "peer_rules", ["list_id"], unique=False)


def _peer_lists() -> None:
    op.create_table(
        "peer_lists",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("priority", ID, nullable=False),
        sa.Column("applies", sa.Boolean(), nullable=False),
        sa.Column("excluded", sa.String(), nullable=False),
        sa.Column("made_by", ID, nullable=True),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("checksum", sa.LargeBinary(), nullable=True),
        sa.Column("fetched_on", sa.BigInteger(), nullable=True),
        sa.Column("failure", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_peer_lists")),
        sa.UniqueConstraint("url", name=op.f("uq_peer_lists_url")),
    )
    op.create_index(op.f("ix_peer_lists_next_at"), "peer_lists", ["next_at"], unique=False)


def _peer_list_entries() -> None:
    op.create_table(
        "peer_list_entries",
        sa.Column("list_id", ID, nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["list_id"], ["peer_lists.id"], name=op.f("fk_peer_list_entries_list_id_peer_lists"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("list_id", "host", name=op.f("pk_peer_list_entries")),
    )


def _rule_changes() -> None:
    op.create_table(
        "rule_changes",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=True),
        sa.Column("list_id", ID, nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("made_by", ID, nullable=True),
        sa.Column("made_on", sa.BigInteger(), nullable=False),
        sa.Column("applies_at", sa.BigInteger(), nullable=True),
        sa.Column("undo_until", sa.BigInteger(), nullable=True),
        sa.Column("parked", ID, nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_changes")),
    )
    op.create_index("ix_rule_changes_state_applies_at", "rule_changes", ["state", "applies_at"], unique=False)
    op.create_index(op.f("ix_rule_changes_list_id"), "rule_changes", ["list_id"], unique=False)
    op.create_index(op.f("ix_rule_changes_ends_at"), "rule_changes", ["ends_at"], unique=False)


def _rule_change_lines() -> None:
    op.create_table(
        "rule_change_lines",
        sa.Column("change_id", ID, nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("after", sa.String(), nullable=True),
        sa.Column("before", sa.String(), nullable=True),
        sa.Column("made", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["change_id"], ["rule_changes.id"],
            name=op.f("fk_rule_change_lines_change_id_rule_changes"), ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("change_id", "host", name=op.f("pk_rule_change_lines")),
    )  # fmt: skip


def _peers() -> None:
    op.create_table(
        "peers",
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("delivery_class", sa.String(), nullable=False),
        sa.Column("software", sa.String(), nullable=True),
        sa.Column("described_at", sa.BigInteger(), nullable=True),
        sa.Column("level", sa.String(), nullable=True),
        sa.Column("first_seen_on", sa.BigInteger(), nullable=False),
        sa.Column("failures", ID, nullable=False),
        sa.Column("closed_until", sa.BigInteger(), nullable=True),
        sa.Column("last_success_on", sa.BigInteger(), nullable=True),
        sa.Column("dialect", sa.String(), nullable=True),
        sa.Column("dialect_on", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_peers")),
    )
    op.create_index(op.f("ix_peers_described_at"), "peers", ["described_at"], unique=False)


def _person_follows() -> None:
    op.create_table(
        "person_follows",
        sa.Column("follower_id", ID, autoincrement=False, nullable=False),
        sa.Column("target_id", ID, autoincrement=False, nullable=False),
        sa.Column("uri", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_on", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("follower_id", "target_id", name=op.f("pk_person_follows")),
    )
    op.create_index(op.f("ix_person_follows_target_id"), "person_follows", ["target_id"], unique=False)


def _persona_links() -> None:
    op.create_table(
        "persona_links",
        sa.Column("persona_id", ID, autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("persona_id", name=op.f("pk_persona_links")),
    )


def _personas() -> None:
    op.create_table(
        "personas",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("notified", ID, nullable=False),
        sa.Column("created_on", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_personas")),
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_sessions_account_id"), "sessions", ["account_id"], unique=False)
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"], unique=False)


def _shred_jobs() -> None:
    op.create_table(
        "shred_jobs",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target_id", ID, nullable=False),
        sa.Column("slot", ID, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", ID, nullable=False),
        sa.Column("lease", ID, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shred_jobs")),
    )
    op.create_index("ix_shred_jobs_due_at", "shred_jobs", ["due_at"], unique=False)


def _sign_in_links() -> None:
    op.create_table(
        "sign_in_links",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sign_in_links")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_sign_in_links_account_id"), "sign_in_links", ["account_id"], unique=False)
    op.create_index(op.f("ix_sign_in_links_expires_at"), "sign_in_links", ["expires_at"], unique=False)


def _tombstones() -> None:
    op.create_table(
        "tombstones",
        sa.Column("uri_hash", sa.LargeBinary(), nullable=False),
        sa.Column("was_public", sa.Boolean(), nullable=False),
        sa.Column("ended_on", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("uri_hash", name=op.f("pk_tombstones")),
    )
    op.create_index(op.f("ix_tombstones_ends_at"), "tombstones", ["ends_at"], unique=False)


def _actor_keys() -> None:
    op.create_table(
        "actor_keys",
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("rsa_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("ed25519_sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name=op.f("fk_actor_keys_actor_id_actors"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("actor_id", name=op.f("pk_actor_keys")),
    )


def _former_keys() -> None:
    op.create_table(
        "former_keys",
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("rsa_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name=op.f("fk_former_keys_actor_id_actors"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("actor_id", name=op.f("pk_former_keys")),
    )
    op.create_index(op.f("ix_former_keys_ends_at"), "former_keys", ["ends_at"], unique=False)


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("outbox_id", ID, nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("inbox", sa.String(), nullable=False),
        sa.Column("ordering_key", ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", ID, nullable=False),
        sa.Column("lease", ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["outbox_id"], ["outbox_items.id"], name=op.f("fk_deliveries_outbox_id_outbox_items"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("outbox_id", "inbox", name=op.f("uq_deliveries_outbox_id_inbox")),
    )
    op.create_index(
        "ix_deliveries_due_at",
        "deliveries",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_deliveries_host_ordering_key", "deliveries", ["host", "ordering_key", "outbox_id"], unique=False
    )


def _groups() -> None:
    op.create_table(
        "groups",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("local", sa.Boolean(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("join_rule", sa.String(), nullable=False),
        sa.Column("keep_seconds", ID, nullable=False),
        sa.Column("preset", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("exclusive", sa.Boolean(), nullable=False),
        sa.Column("created_on", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["actors.id"], name=op.f("fk_groups_id_actors")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
    )


def _invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("group_id", ID, nullable=False),
        sa.Column("made_by", ID, nullable=True),
        sa.Column("uses_left", ID, nullable=False),
        sa.Column("created_on", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_invitations_group_id_groups"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitations_token_hash")),
    )
    op.create_index(op.f("ix_invitations_expires_at"), "invitations", ["expires_at"], unique=False)
    op.create_index(op.f("ix_invitations_group_id"), "invitations", ["group_id"], unique=False)
    op.create_index(op.f("ix_invitations_made_by"), "invitations", ["made_by"], unique=False)


def _memberships() -> None:
    op.create_table(
        "memberships",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("group_id", ID, nullable=False),
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("follow_uri", sa.String(), nullable=True),
        sa.Column("exclusive", sa.Boolean(), nullable=False),
        sa.Column("named", sa.Boolean(), nullable=False),
        sa.Column("created_on", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name=op.f("fk_memberships_actor_id_actors"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_memberships_group_id_groups"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
        sa.UniqueConstraint("group_id", "actor_id", name=op.f("uq_memberships_group_id_actor_id")),
    )
    op.create_index("ix_memberships_actor_id_state", "memberships", ["actor_id", "state"], unique=False)
    op.create_index("ix_memberships_ends_at", "memberships", ["ends_at"], unique=False)


def _posts() -> None:
    op.create_table(
        "posts",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("uri", sa.String(), nullable=False),
        sa.Column("group_id", ID, nullable=False),
        sa.Column("author_id", ID, nullable=False),
        sa.Column("thread_id", ID, nullable=False),
        sa.Column("parent_id", ID, nullable=True),
        sa.Column("parent_author_id", ID, nullable=True),
        sa.Column("parent_uri", sa.String(), nullable=True),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("local", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("edited_at", sa.BigInteger(), nullable=True),
        sa.Column("remote_updated_at", sa.BigInteger(), nullable=True),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("subject_id", ID, nullable=False),
        sa.Column("bucket", sa.String(), nullable=False),
        sa.Column("slot", ID, nullable=False),
        sa.Column("revision", ID, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["author_id"], ["actors.id"], name=op.f("fk_posts_author_id_actors")),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_posts_group_id_groups")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
        sa.UniqueConstraint("uri", name=op.f("uq_posts_uri")),
    )
    op.create_index("ix_posts_author_id_id", "posts", ["author_id", "id"], unique=False)
    op.create_index(
        "ix_posts_expires_at",
        "posts",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("state = 'live'"),
        postgresql_where=sa.text("state = 'live'"),
    )
    op.create_index("ix_posts_group_id_id", "posts", ["group_id", "id"], unique=False)
    op.create_index(
        "ix_posts_parent_author_id",
        "posts",
        ["parent_author_id"],
        unique=False,
        sqlite_where=sa.text("parent_author_id IS NOT NULL"),
        postgresql_where=sa.text("parent_author_id IS NOT NULL"),
    )
    op.create_index(op.f("ix_posts_parent_id"), "posts", ["parent_id"], unique=False)
    op.create_index(
        "ix_posts_parent_uri",
        "posts",
        ["parent_uri"],
        unique=False,
        sqlite_where=sa.text("parent_id IS NULL AND parent_uri IS NOT NULL"),
        postgresql_where=sa.text("parent_id IS NULL AND parent_uri IS NOT NULL"),
    )
    op.create_index(op.f("ix_posts_slot"), "posts", ["slot"], unique=False)
    op.create_index("ix_posts_thread_id_id", "posts", ["thread_id", "id"], unique=False)


def _bookmarks() -> None:
    op.create_table(
        "bookmarks",
        sa.Column("actor_id", ID, autoincrement=False, nullable=False),
        sa.Column("post_id", ID, nullable=False),
        sa.Column("created_on", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_bookmarks_post_id_posts"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("actor_id", "post_id", name=op.f("pk_bookmarks")),
    )
    op.create_index(op.f("ix_bookmarks_post_id"), "bookmarks", ["post_id"], unique=False)


def _reports() -> None:
    op.create_table(
        "reports",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("group_id", ID, nullable=False),
        sa.Column("target_id", ID, nullable=False),
        sa.Column("post_id", ID, nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("made_on", sa.BigInteger(), nullable=False),
        sa.Column("closed_on", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("subject_id", ID, nullable=False),
        sa.Column("bucket", sa.String(), nullable=False),
        sa.Column("slot", ID, nullable=False),
        sa.Column("revision", ID, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_reports_group_id_groups"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        sa.UniqueConstraint(
            "group_id",
            "target_id",
            "post_id",
            "subject_id",
            name=op.f("uq_reports_group_id_target_id_post_id_subject_id"),
        ),
    )
    op.create_index("ix_reports_expires_at", "reports", ["expires_at"], unique=False)
    op.create_index(op.f("ix_reports_slot"), "reports", ["slot"], unique=False)
    op.create_index("ix_reports_subject_id", "reports", ["subject_id"], unique=False)
    op.create_index("ix_reports_target_id", "reports", ["target_id"], unique=False)


def _pins() -> None:
    op.create_table(
        "pins",
        sa.Column("post_id", ID, nullable=False),
        sa.Column("group_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_pins_post_id_posts"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("post_id", name=op.f("pk_pins")),
    )
    op.create_index(op.f("ix_pins_group_id"), "pins", ["group_id"], unique=False)


def _mentions() -> None:
    op.create_table(
        "mentions",
        sa.Column("post_id", ID, nullable=False),
        sa.Column("actor_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_mentions_post_id_posts"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("post_id", "actor_id", name=op.f("pk_mentions")),
    )
    op.create_index(op.f("ix_mentions_actor_id"), "mentions", ["actor_id"], unique=False)


def _reactions() -> None:
    op.create_table(
        "reactions",
        sa.Column("post_id", ID, nullable=False),
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("uri", sa.String(), nullable=True),
        sa.Column("created_on", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_reactions_post_id_posts"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("post_id", "actor_id", name=op.f("pk_reactions")),
    )
    op.create_index(op.f("ix_reactions_actor_id"), "reactions", ["actor_id"], unique=False)
    # ### end Alembic commands ###


TABLES: dict[str, Callable[[], None]] = {
    "access_tokens": _access_tokens,
    "accounts": _accounts,
    "actors": _actors,
    "authorization_codes": _authorization_codes,
    "idempotency_keys": _idempotency_keys,
    "inbox_items": _inbox_items,
    "ledger_entries": _ledger_entries,
    "markers": _markers,
    "node_states": _node_states,
    "notifications": _notifications,
    "oauth_applications": _oauth_applications,
    "outbox_items": _outbox_items,
    "peer_rules": _peer_rules,
    "peer_lists": _peer_lists,
    "peer_list_entries": _peer_list_entries,
    "rule_changes": _rule_changes,
    "rule_change_lines": _rule_change_lines,
    "peers": _peers,
    "person_follows": _person_follows,
    "persona_links": _persona_links,
    "personas": _personas,
    "sessions": _sessions,
    "shred_jobs": _shred_jobs,
    "sign_in_links": _sign_in_links,
    "tombstones": _tombstones,
    "actor_keys": _actor_keys,
    "former_keys": _former_keys,
    "deliveries": _deliveries,
    "groups": _groups,
    "invitations": _invitations,
    "memberships": _memberships,
    "posts": _posts,
    "reports": _reports,
    "bookmarks": _bookmarks,
    "pins": _pins,
    "mentions": _mentions,
    "reactions": _reactions,
}
"""Each table after those that it points at."""
