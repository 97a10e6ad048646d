"""Which test shows which case of the security and reliability catalogue, as far as the wire between servers goes.

A case names the tests that show it, or the reason why nothing of it exists yet; none is left out in silence.
"""

from collections.abc import Iterable
from dataclasses import dataclass

ENDPOINTS, INBOX, LIARS = "activitypub/test_endpoints.py", "activitypub/test_inbox.py", "activitypub/test_liars.py"
HANDLING, DISCOVERY, DOCUMENTS = (f"activitypub/test_{name}.py" for name in ("handling", "discovery", "documents"))
EGRESS, ADDRESSES, DELIVERY = (f"activitypub/test_{name}.py" for name in ("egress", "addresses", "delivery"))
CAVAGE, MODERN, KEYS = (f"activitypub/test_{name}.py" for name in ("cavage", "rfc9421", "keys"))
AUTHENTICATION, COUNTS, KEYSTORE, PEERS, PASSING_ON = (
    f"activitypub/test_{name}.py" for name in ("authentication", "counts", "keystore", "peers", "passing_on")
)
ORIGINS, URIS, JSONLD = (f"activitypub/test_{name}.py" for name in ("origins", "uris", "jsonld"))
STRICT, VOCABULARY, WEBFINGER = (f"activitypub/test_{name}.py" for name in ("strict_json", "vocabulary", "webfinger"))
ARRIVALS, VISIBILITY, POLICY, CONTENT, LIMITED = (
    f"groups/test_{name}.py" for name in ("arrivals", "visibility", "policy", "content", "limited")
)
REPORTS, ROLES, PINNING, MOVING, BACKFILL = (
    f"groups/test_{name}.py" for name in ("reports", "roles", "pinning", "moving", "backfill")
)
FLOODS = "activitypub/test_floods.py"
KILL, CANARY, TWO_NODES = (f"federation/test_{name}.py" for name in ("kill", "canary", "two_nodes"))
SERVERS_PAGES = "web/test_servers_pages.py"
BLOCKLISTS = "activitypub/test_blocklists.py"
DOORS = "architecture/test_doors.py"
ROTATION, PROVING = "activitypub/test_rotation.py", "activitypub/test_proving.py"

# §4 and §5: every case, with its severity as the catalogue has it.
SEVERITY = {
    "C": [101, 102, 103, 104, 108, 109, 110, 113, 121, 201, 202, 203, 204, 205, 206, 207, 209, 210, 213, 216],
    "H": [105, 106, 107, 111, 112, 114, 119, 122, 208, 211, 212, 214, 215, 217, 218, 219, 220, 221, 222, 224],
    "M": [115, 116, 117, 118, 120, 223],
}

CASES: dict[str, dict[str, list[str]]] = {
    # ── signatures and sender identity ──
    "S-101": {
        INBOX: ["test_s101_unsigned"],
        ENDPOINTS: ["test_the_kind_of_content_is_no_way_round", "test_each_fault_has_its_status_and_leaves_nothing"],
        CAVAGE: ["test_s_101_unsigned"],
    },
    "S-102": {
        INBOX: ["test_s102_body_changed_after_signing"],
        CAVAGE: ["test_s_102_body_changed", "test_a_flipped_bit_never_verifies"],
        MODERN: ["test_s_102_s_107_for_another_body_path_host_or_method"],
        AUTHENTICATION: ["test_what_apsig_signs_is_taken_in_and_each_change_to_it_is_refused"],
    },
    "S-103": {
        INBOX: ["test_s103_digest_not_signed"],
        ENDPOINTS: ["test_s103_s107_rfc_9421_for_another_target_method_host_or_body"],
    },
    "S-104": {
        ENDPOINTS: [
            "test_s104_of_all_omissions_only_the_harmless_pass",
            "test_s104_of_all_omissions_only_the_harmless_pass_in_rfc_9421",
        ],
    },
    "S-105": {
        INBOX: ["test_s105_stale_and_future_dates"],
        ENDPOINTS: ["test_s105_s113_times_and_algorithms_in_rfc_9421"],
    },
    "S-106": {
        INBOX: ["test_s106_an_exact_replay_has_no_second_effect"],
        ENDPOINTS: ["test_s106_r202_one_activity_at_every_inbox_and_at_once_is_one"],
        PASSING_ON: ["test_s106_what_can_be_undone_and_done_again_is_not_repeated_by_others"],
    },
    "S-107": {
        INBOX: ["test_s107_signed_for_another_path_or_host"],
        ENDPOINTS: ["test_s609_made_for_another_host_it_is_not_for_us"],
    },
    "S-108": {
        INBOX: ["test_s108_signed_by_one_acted_by_another"],
        AUTHENTICATION: ["test_s108_a_key_counts_for_its_owner_alone"],
        PASSING_ON: [
            "test_s108_without_a_proof_that_counts_nobody_speaks_for_another",
            "test_a_forged_proof_is_worse_than_none",
        ],
    },
    "S-109": {
        INBOX: ["test_s109_s110_a_key_counts_only_where_its_owner_lists_it"],
        DISCOVERY: ["test_keys_that_name_an_owner_lead_to_it_and_prove_nothing"],
        AUTHENTICATION: ["test_s109_only_a_key_that_its_owner_lists_is_a_key"],
    },
    "S-110": {
        INBOX: ["test_s109_s110_a_key_counts_only_where_its_owner_lists_it"],
        AUTHENTICATION: ["test_s110_a_key_that_two_actors_list_belongs_to_neither"],
        KEYSTORE: ["test_s110_who_lists_another_s_key_is_not_heard_under_it"],
    },
    "S-111": {INBOX: ["test_s111_s112_repeated_parameters_and_fields"], CAVAGE: ["test_s_111_repeated_parameters"]},
    "S-112": {
        INBOX: ["test_s111_s112_repeated_parameters_and_fields"],
        ENDPOINTS: ["test_s103_s107_rfc_9421_for_another_target_method_host_or_body"],
    },
    "S-113": {
        INBOX: ["test_s113_the_algorithm_comes_from_the_key"],
        CAVAGE: ["test_s_113_algorithm_confusion", "test_s_113_hmac_keyed_with_the_public_key"],
        ENDPOINTS: ["test_s105_s113_times_and_algorithms_in_rfc_9421"],
    },
    "S-114": {INBOX: ["test_s114_s118_hostile_and_malformed_keys"], KEYS: ["test_s_114_hostile_keys_are_refused"]},
    "S-115": {
        INBOX: [
            "test_s115_failing_key_fetches_are_not_repeated",
            "test_s115_forgeries_for_a_known_actor_cause_one_fetch_in_five_minutes",
        ],
        DISCOVERY: ["test_a_known_actor_whose_server_fails_is_not_asked_again_after_a_restart"],
        DOCUMENTS: ["test_a_key_that_nobody_knows_is_asked_for_once"],
        AUTHENTICATION: ["test_s115_from_one_address_only_so_many_keys_are_fetched"],
    },
    "S-116": {INBOX: ["test_s116_a_server_that_cannot_be_reached_is_asked_again"]},
    "S-117": {
        INBOX: ["test_s117_deletions_by_vanished_actors", "test_s117_a_deletion_that_only_her_server_confirms"],
        PASSING_ON: ["test_s117_a_farewell_with_a_proof_outlives_its_server"],
    },
    "S-118": {INBOX: ["test_s114_s118_hostile_and_malformed_keys"]},
    "S-119": {
        INBOX: [
            "test_s119_a_blocked_server_is_refused_before_any_fetch",
            "test_s119_a_server_that_is_blocked_while_its_activity_waits",
        ],
        DOCUMENTS: ["test_s119_a_blocked_server_reads_nothing_and_is_asked_nothing"],
        PASSING_ON: ["test_s119_neither_may_be_of_a_blocked_server"],
    },
    "S-120": {INBOX: ["test_s120_garbage_in_the_signature"], CAVAGE: ["test_s_120_garbage"]},
    "S-121": {
        INBOX: ["test_s121_route_aliases"],
        ENDPOINTS: [
            "test_s121_no_other_spelling_is_a_way_in",
            "test_s121_what_was_signed_is_the_address_as_it_was_written",
            "test_s121_only_a_post_is_a_post",
        ],
    },
    "S-122": {
        INBOX: ["test_s122_a_failed_signature_refreshes_keys_and_nothing_else"],
        ROTATION: ["test_s122_a_new_key_that_is_only_found_ends_the_old_one_at_once"],
    },
    # ── object authority, JSON-LD, discovery ──
    "S-201": {INBOX: ["test_s201_to_s204_who_speaks_for_whom"], ORIGINS: ["test_scheme_port_and_host_all_count"]},
    "S-202": {INBOX: ["test_s201_to_s204_who_speaks_for_whom"], ARRIVALS: ["test_nobody_posts_for_another"]},
    "S-203": {INBOX: ["test_s201_to_s204_who_speaks_for_whom"], ARRIVALS: ["test_nobody_posts_for_another"]},
    "S-204": {INBOX: ["test_s201_to_s204_who_speaks_for_whom"]},
    "S-205": {
        EGRESS: ["test_the_id_is_believed_at_its_own_address_alone"],
        DISCOVERY: [
            "test_s205_a_document_speaks_for_its_own_address_only",
            "test_s205_a_redirect_lends_no_authority",
        ],
        HANDLING: ["test_s205_what_is_fetched_must_be_its_server_s_own"],
    },
    "S-206": {
        EGRESS: ["test_only_the_two_media_types_of_activitystreams_are_read"],
        DISCOVERY: ["test_s206_only_the_media_types_of_activitystreams_count"],
    },
    "S-208": {
        EGRESS: ["test_the_id_is_believed_at_its_own_address_alone"],
        DISCOVERY: ["test_s224_s208_what_is_no_object_is_no_actor"],
        LIARS: ["test_s304_an_announce_cannot_lend_a_post_to_another_author_or_address"],
    },
    "S-209": {
        INBOX: ["test_s209_nobody_else_has_ids_on_this_node"],
        DISCOVERY: ["test_s209_nobody_is_one_of_ours"],
        URIS: ["test_every_spelling_of_this_node_is_this_node"],
    },
    "S-210": {
        ARRIVALS: ["test_an_edit_by_the_author_takes_effect_once"],
        LIARS: ["test_s302_only_the_author_ends_a_post"],
    },
    "S-211": {LIARS: ["test_s211_the_newest_edit_stays_whatever_comes_last"]},
    "S-212": {DISCOVERY: ["test_s212_everything_of_an_actor_lives_where_it_lives"]},
    "S-213": {
        INBOX: ["test_s213_to_s216_contexts"],
        JSONLD: ["test_the_slow_path_never_touches_the_network"],
    },
    "S-214": {
        INBOX: ["test_s213_to_s216_contexts"],
        JSONLD: ["test_contexts_that_change_the_core_or_say_nothing_are_refused"],
    },
    "S-215": {INBOX: ["test_s215_s602_to_s604_one_reading_only"], STRICT: ["test_refuses_everything_else"]},
    "S-216": {
        INBOX: ["test_s213_to_s216_contexts"],
        JSONLD: ["test_restructuring_keywords_are_refused_wherever_they_are_keys"],
    },
    "S-217": {JSONLD: ["test_the_slow_path_is_bounded"]},
    "S-218": {
        DISCOVERY: ["test_s218_a_handle_is_believed_when_both_sides_say_so"],
        WEBFINGER: ["test_answers_that_name_no_actor_or_several"],
    },
    "S-219": {
        ORIGINS: ["test_gives_each_uri_one_spelling", "test_warns_of_mixed_scripts_within_a_label_only"],
        LIARS: ["test_s308_a_domain_block_covers_what_lies_below_and_every_spelling"],
    },
    "S-220": {
        CONTENT: ["test_hostile_html_becomes_text"],
        LIARS: ["test_s220_addresses_that_are_none_are_not_passed_on"],
    },
    "S-221": {DISCOVERY: ["test_s221_a_handle_stays_with_whom_it_led_to_until_its_server_says_otherwise"]},
    "S-222": {
        INBOX: ["test_s222_every_shape_in_every_field"],
        DISCOVERY: ["test_s222_every_shape_in_every_field_of_an_actor"],
        VOCABULARY: ["test_scrambled_documents_are_read_or_refused_and_never_fail_otherwise"],
    },
    "S-224": {DISCOVERY: ["test_s224_s208_what_is_no_object_is_no_actor"]},
    # ── activity logic ──
    "S-301": {LIARS: ["test_s301_only_who_did_it_undoes_it"]},
    "S-302": {
        LIARS: [
            "test_s302_only_the_author_ends_a_post",
            "test_s302_s319_nobody_ends_in_advance_what_another_will_write",
        ],
        ARRIVALS: ["test_a_delete_by_the_author_ends_the_post", "test_a_group_withdraws_what_it_showed"],
    },
    "S-303": {
        LIARS: [
            "test_s303_only_the_group_that_was_asked_answers",
            "test_s303_a_closed_group_is_not_opened_from_outside",
        ],
        ARRIVALS: ["test_only_the_group_that_was_asked_accepts"],
    },
    "S-304": {
        LIARS: [
            "test_s304_what_an_announce_carries_of_others_is_fetched_and_never_believed",
            "test_s304_what_bears_its_author_s_proof_is_believed_without_a_fetch",
            "test_s304_an_announce_cannot_lend_a_post_to_another_author_or_address",
        ],
    },
    "S-305": {
        LIARS: ["test_s305_what_one_cannot_see_is_as_if_it_were_not_there"],
        ARRIVALS: ["test_nobody_likes_what_it_cannot_see"],
    },
    "S-306": {
        LIARS: ["test_s306_a_move_is_believed_when_both_servers_say_so_now"],
        MOVING: [
            "test_s306_both_sides_must_say_so",
            "test_s306_what_was_known_before_proves_nothing",
            "test_s306_an_actor_moves_once_in_thirty_days",
            "test_s306_a_place_in_a_private_group_never_goes_over",
        ],
    },
    "S-307": {
        LIARS: [
            "test_s307_who_is_banned_has_no_way_back",
            "test_s307_who_is_banned_changes_nothing_that_the_group_reads",
            "test_s307_who_is_banned_sends_no_news_to_anybody",
        ],
        POLICY: ["test_nobody_who_is_banned_may_do_anything"],
    },
    "S-311": {
        INBOX: [
            "test_s311_a_flood_is_held_back_and_nobody_else_is",
            "test_s311_what_a_group_answers_takes_nothing_from_what_it_may_announce",
        ],
        FLOODS: ["test_s311_nobody_here_is_flooded_by_many_accounts_of_one_server"],
        REPORTS: ["test_s311_reports_from_elsewhere_do_not_pile_up_without_end"],
    },
    "S-308": {
        LIARS: ["test_s308_a_domain_block_covers_what_lies_below_and_every_spelling"],
        PEERS: [
            "test_s308_a_rule_holds_below_and_however_it_is_written",
            "test_s308_in_quarantine_mode_to_have_been_met_is_not_to_be_let_in",
            "test_s308_what_statements_find_is_what_the_policy_says",
        ],
        DISCOVERY: ["test_s308_a_blocked_server_is_never_asked"],
        HANDLING: ["test_s308_a_document_of_a_blocked_server_is_not_asked_for"],
        DELIVERY: ["test_suspended_hosts_get_nothing"],
        EGRESS: ["test_suspended_hosts_are_refused_before_any_packet"],
    },
    "S-309": {
        LIARS: ["test_s309_a_suspended_author_does_not_come_back_by_another_s_boost"],
        LIMITED: ["test_s309_who_is_held_off_disappears_with_all_that_it_wrote_and_comes_back"],
    },
    "S-310": {LIARS: ["test_s310_mass_mentions_reach_nobody"]},
    "S-312": {
        LIARS: ["test_s312_a_deep_chain_is_not_climbed"],
        HANDLING: ["test_s513_s312_one_activity_causes_ten_fetches_at_most"],
    },
    "S-313": {BACKFILL: ["test_s313_an_endless_list_is_left_after_a_few_pages"]},
    "S-315": {
        LIARS: ["test_s315_no_address_gets_a_stranger_into_a_group"],
        ARRIVALS: ["test_only_members_post_in"],
        TWO_NODES: ["test_one_who_was_not_admitted_gets_nothing"],
    },
    "S-316": {
        LIARS: ["test_s316_moderation_from_elsewhere_needs_a_role_here"],
        ROLES: ["test_s316_nobody_elsewhere_appoints_or_dismisses_others"],
        PINNING: ["test_s316_what_stands_on_top_is_decided_by_those_who_look_after_the_group"],
    },
    "S-317": {LIARS: ["test_s317_support_counts_once"]},
    "S-318": {
        INBOX: ["test_s318_of_two_bodies_with_one_id_the_first_stays"],
        LIARS: ["test_s318_a_second_body_under_one_id_is_not_taken"],
    },
    "S-319": {
        LIARS: ["test_s319_r203_what_was_deleted_stays_so_in_every_order"],
        DISCOVERY: ["test_s319_who_was_deleted_does_not_come_back"],
        INBOX: ["test_s117_a_deletion_that_only_her_server_confirms"],
    },
    "S-320": {
        REPORTS: [
            "test_s320_what_leaves_is_sent_by_the_node_and_names_nobody",
            "test_s320_a_report_from_elsewhere_is_read_and_nothing_else_happens",
            "test_s320_the_same_report_again_is_the_same",
        ],
    },
    # ── visibility, as far as other servers ask ──
    "S-402": {DOCUMENTS: ["test_s417_only_the_server_whose_it_is_reads_what_is_private"]},
    "S-403": {DOCUMENTS: ["test_s403_what_depends_on_who_asked_is_kept_by_nobody"]},
    "S-405": {LIARS: ["test_s405_what_is_for_members_goes_to_their_own_inboxes"]},
    "S-417": {
        DOCUMENTS: [
            "test_s417_only_the_server_whose_it_is_reads_what_is_private",
            "test_s417_a_bad_signature_is_worse_than_none",
        ],
        VISIBILITY: ["test_the_two_forms_agree_for_everybody"],
    },
    # ── outbound requests ──
    "S-501": {
        ADDRESSES: ["test_s_501_forbidden_addresses"],
        EGRESS: ["test_s_501_canaries_see_nothing"],
        HANDLING: ["test_s501_s504_s505_an_activity_does_not_lead_us_inside"],
    },
    "S-502": {EGRESS: ["test_s_502_the_address_that_was_checked_is_the_one_that_is_used"]},
    "S-503": {
        EGRESS: [
            "test_s_503_redirects_are_followed_by_hand_and_signed_anew",
            "test_s_503_redirects_have_an_end",
            "test_any_status_answers_a_post_and_no_redirect_is_followed",
        ],
        ADDRESSES: ["test_s_503_redirects_that_are_not_followed"],
    },
    "S-504": {ADDRESSES: ["test_s_504_s_505_s_515_s_516_forbidden_spellings"]},
    "S-505": {ADDRESSES: ["test_s_504_s_505_s_515_s_516_forbidden_spellings"]},
    "S-506": {DOORS: ["test_each_thing_with_one_door_has_one_door"]},
    "S-507": {ADDRESSES: ["test_s_507_all_records_or_none"]},
    "S-508": {EGRESS: ["test_s_508_bytes_are_counted", "test_s_508_exactly_as_much_as_is_allowed_fits"]},
    "S-509": {
        EGRESS: ["test_s_509_nothing_is_unpacked", "test_s_509_a_transfer_coding_is_refused_too"],
        ENDPOINTS: ["test_nothing_that_is_sent_to_us_is_unpacked"],
    },
    "S-510": {EGRESS: ["test_s_510_a_deadline_over_all", "test_s_510_a_post_has_the_same_deadline"]},
    "S-511": {EGRESS: ["test_s_511_nothing_comes_from_the_environment"]},
    "S-512": {EGRESS: ["test_s_512_certificates_and_names_are_verified"]},
    "S-513": {
        HANDLING: ["test_s513_s312_one_activity_causes_ten_fetches_at_most"],
        FLOODS: ["test_s513_unknown_keys_are_asked_for_within_bounds"],
    },
    "S-515": {ADDRESSES: ["test_s_515_no_text_after_the_host_changes_the_host"]},
    "S-516": {ADDRESSES: ["test_s_504_s_505_s_515_s_516_forbidden_spellings"]},
    # ── parsers and the edge ──
    "S-601": {
        ENDPOINTS: [
            "test_s601_a_declared_length_is_refused_before_a_byte_is_read",
            "test_s601_an_endless_body_is_cut_off_at_the_limit",
            "test_s601_exactly_the_limit_is_taken_and_one_byte_more_is_not",
        ],
    },
    "S-602": {INBOX: ["test_s215_s602_to_s604_one_reading_only"], STRICT: ["test_never_fails_in_any_other_way"]},
    "S-603": {INBOX: ["test_s215_s602_to_s604_one_reading_only"]},
    "S-604": {
        INBOX: ["test_s215_s602_to_s604_one_reading_only"],
        DOCUMENTS: ["test_no_address_trips_the_node"],
    },
    "S-609": {ENDPOINTS: ["test_s609_made_for_another_host_it_is_not_for_us"]},
    "S-611": {ENDPOINTS: ["test_a_body_that_stops_arriving_is_given_up"]},
    "S-615": {HANDLING: ["test_s615_s621_words_of_others_choose_no_code"]},
    "S-616": {DOCUMENTS: ["test_no_address_trips_the_node"]},
    "S-620": {
        HANDLING: [
            "test_s620_r210_one_that_trips_us_comes_again_and_stops_nobody",
            "test_s620_one_whose_preparation_trips_us_takes_no_other_along",
        ],
    },
    "S-621": {HANDLING: ["test_s615_s621_words_of_others_choose_no_code"]},
    # ── durability, queue and delivery ──
    "R-101": {
        KILL: ["test_nothing_answered_for_is_lost_and_nothing_is_shown_twice"],
        ENDPOINTS: ["test_a_database_that_is_away_means_come_again_and_nothing_is_lost"],
    },
    "R-102": {
        KILL: ["test_nothing_answered_for_is_lost_and_nothing_is_shown_twice"],
        HANDLING: ["test_r102_what_a_handler_did_before_it_failed_is_undone"],
    },
    "R-201": {
        HANDLING: ["test_r201_a_late_worker_is_fenced_off"],
        DELIVERY: ["test_r_201_a_lease_ends_and_the_late_finisher_is_fenced_off"],
    },
    "R-202": {
        HANDLING: ["test_r202_two_workers_at_once_do_it_once"],
        ENDPOINTS: ["test_s106_r202_one_activity_at_every_inbox_and_at_once_is_one"],
    },
    "R-203": {
        LIARS: [
            "test_s319_r203_what_was_deleted_stays_so_in_every_order",
            "test_r203_an_update_that_overtakes_its_create_is_the_newest_word",
        ],
    },
    "R-204": {
        DELIVERY: [
            "test_r_204_what_is_pointless_is_taken_back",
            "test_a_dead_host_costs_one_probe_for_each_step",
            "test_a_dead_host_loses_its_queue_after_a_week_and_last_words_after_a_month",
            "test_what_has_ended_is_never_sent_but_its_delete_is",
            "test_whatever_happens_a_thread_arrives_in_order",
        ],
    },
    "R-205": {DELIVERY: ["test_r_205_a_refusal_neither_closes_nor_heals"]},
    "R-206": {
        DELIVERY: ["test_r_206_slow_hosts_do_not_delay_a_fast_one"],
        HANDLING: ["test_r206_one_that_waits_for_a_slow_server_holds_up_nobody"],
    },
    "R-207": {DELIVERY: ["test_r_207_retry_after_holds_the_whole_host", "test_final_statuses_end_it"]},
    "R-208": {COUNTS: ["test_many_at_once_share_their_commits"], DELIVERY: ["test_a_host_has_a_few_at_once"]},
    "R-209": {COUNTS: ["test_one_signature_for_each_activity_and_host"]},
    "R-210": {
        HANDLING: ["test_s620_r210_one_that_trips_us_comes_again_and_stops_nobody"],
        DELIVERY: ["test_r_210_a_poisoned_delivery_ends_and_others_do_not_suffer"],
        PROVING: ["test_r210_what_has_no_canonical_form_stops_nobody"],
    },
    "R-211": {DELIVERY: ["test_r_211_a_clock_that_jumps_empties_no_queue"]},
    "R-212": {DELIVERY: ["test_r_212_what_was_not_sent_is_given_back"]},
    "R-502": {COUNTS: ["test_what_can_be_refused_from_memory_asks_the_database_nothing"]},
    "R-503": {
        ENDPOINTS: ["test_r503_a_mutated_request_never_gets_in_and_never_trips_us"],
        DOCUMENTS: ["test_no_address_trips_the_node"],
        STRICT: ["test_never_fails_in_any_other_way"],
    },
    "S-1115": {
        SERVERS_PAGES: [
            "test_s1115_nobody_else_learns_that_there_are_rules",
            "test_s1115_who_looks_after_the_node_sees_them_while_the_account_may_act",
        ],
    },
    "S-1301": {BLOCKLISTS: ["test_s1301_no_cell_is_a_formula_and_every_cell_is_a_text"]},
    "S-1107": {
        CANARY: ["test_a_canary_is_found_nowhere_and_ends"],
        ARRIVALS: ["test_a_post_is_gone_at_its_end_without_any_sweep"],
    },
}

NOT_YET: dict[str, str] = {
    "S-207": "nobody can upload a file: there is no media store and no route that serves one",
    "S-223": "no HTML page of another server is ever read in search of an actor",
    "S-314": "nothing that came in is forwarded but by a group's own Announce",
}


@dataclass(frozen=True, slots=True)
class Tally:
    """What a run says of the cases."""

    shown: list[str]
    failed: list[str]
    not_run: list[str]

    def sentence(self) -> str:
        """Return it in one line."""
        known = len(CASES) + len(NOT_YET)
        parts = [f"{known} cases", f"{len(self.shown)} shown by tests that passed"]
        parts += [f"{len(self.failed)} with tests that failed: {', '.join(self.failed)}"] if self.failed else []
        parts += [f"{len(self.not_run)} whose tests did not run"] if self.not_run else []
        return f"security catalogue: {', '.join(parts)}, {len(NOT_YET)} not applicable: {', '.join(sorted(NOT_YET))}"


def tally(passed: Iterable[str], failed: Iterable[str]) -> Tally:
    """Judge each case by the tests that it names, given as `path::name[parameters]` below `tests/`, or above."""
    good, bad = ({_bare(each) for each in some} for some in (passed, failed))
    result = Tally([], [], [])
    for case, named in CASES.items():
        tests = {f"{path}::{name}" for path, names in named.items() for name in names}
        kind = result.failed if tests & bad else result.shown if tests <= good else result.not_run
        kind.append(case)
    return result


def _bare(test: str) -> str:
    return test.removeprefix("tests/").partition("[")[0]
