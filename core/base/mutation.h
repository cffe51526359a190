/* core/base/mutation.h: seeded bugs, to test the tests (docs/internals/simulation.md, "The mutation gate").
 *
 * Each row is a mistake one could make. Where the code does it right it asks MUTATION(n), which is a constant 0 and
 * costs nothing, except in the program pdr-sim-mutated: there `--mutation n` turns it into the mistake, and the
 * simulator must notice. (100 to 105 are tests/directory's, whose program is directory-mutated.) Take a row away only
 * together with the code it is about. */
#ifndef CORE_BASE_MUTATION_H
#define CORE_BASE_MUTATION_H

/* clang-format off */
/*    n   name                   where, and what goes wrong there */
#define MUTATION_TABLE(X)                                                                                              \
    X(1,  reply_before_commit,    "turn.c, answer: a write's reply does not wait for the gate (R25)")                  \
    X(2,  ack_before_sync,        "journal.c: batches are answered when the write begins, not when it is synced")      \
    X(3,  apply_without_meta,     "apply.c, put_meta: the data goes to the store without `applied` (R24)")             \
    X(4,  failed_turn_kept,       "turn.c, run_method: a failed turn's writes are committed all the same")             \
    X(5,  call_before_commit,     "outbox.c, commit_part: the call leaves before what was written is durable")         \
    X(6,  dirty_reader,           "turn.c, answer: a reader's reply does not wait for what it saw (R15)")              \
    X(7,  evict_dirty,            "activation.c, activation_is_clean: an actor goes before the store has its writes")  \
    X(8,  release_without_flush,  "node: segments of the log are released before the store was flushed")               \
    X(9,  sync_error_ignored,     "journal.c: a failed sync is taken for a good one (R27)")                            \
    X(10, replay_stops_early,     "recover.c: the last intact group is taken for a torn tail (R71)")                   \
    X(11, torn_group_taken,       "recover.c: a group is believed without looking at its CRC")                         \
    X(12, reply_twice,            "reply.c: an answer is written twice")                                               \
    X(13, overload_silent,        "mailbox.c: a call that finds the mailbox full is dropped without an answer")        \
    X(14, no_reload,              "commit.c, roll_back: actors keep what the journal had no room for (R74)")           \
    X(15, effects_split,          "commit.c, commit_turn: one turn's writes become two entries in two batches")        \
    X(16, deadlock_unseen,        "aside.c, aside_door: a chain of calls that comes back waits for ever")              \
    X(17, checkpoint_too_far,     "apply_step.c, answer_checkpoints: says applied of what is not yet in the store")    \
    X(18, stop_releases_all,      "node.c, last_position: a stop releases what the store could not take (R74)")        \
    X(19, not_settled,            "core.c, core_start: turns run before what recovery found is durable (R71)")         \
    X(20, reads_half_done,        "aside.c, is_open: an interleaved reader runs while a turn reads the disk")          \
    X(21, anybody_enters,         "aside.c, may_enter: calls of others run inside of a reentrant actor's wait")        \
    X(22, goes_on_too_early,      "aside.c, aside_may_go_on: a turn goes on while one is inside of its wait")          \
    X(23, stale_read_kept,        "turn_state.c, keep: what the store had replaces what was written meanwhile")        \
    X(24, trims_too_much,         "activation.c, seen_by_all: a key leaves memory that a turn may have read before")   \
    X(50, event_before_commit,    "watch.c, emission_leaves: an event leaves before its turn is committed")            \
    X(51, event_to_newcomers,     "watch.c, hand_out: who joined while an event waited hears it ahead of its answer")  \
    X(40, reminder_stale,         "reminders.c, reminder_call_open: a hint is believed, whatever its row says")        \
    X(41, reminder_not_moved,     "reminders.c, reminder_call_ended: a reminder fires, and its row stays")             \
    X(42, reminder_scan_early,    "reminders.c, begin_scan: the scan does not wait for what the store lacks")          \
    X(43, reminder_trimmed_early,  "activation.c, trim: reminders go before the store has them")                       \
    X(44, reminder_no_tombstone,   "commit.c, merge: a cancelled reminder leaves no trace where the store is asked")   \
    X(60, backup_uncut,           "apply_step.c, core_apply_until: cores apply on while a backup is made")             \
    X(70, result_apart,           "turn.c, run_method: a session's result follows in an entry of its own (R81)")       \
    X(71, session_left_early,     "conn.c, closed: a session is left while its calls are still queued (R82)")          \
    X(72, floor_ignored,          "sessions.c, sessions_admit: what was acknowledged is run again (R81)")              \
    X(73, result_row_late,        "apply_step.c, start_step: results reach the store when the node stops (R24)")       \
    X(30, tell_before_commit,     "tells_out.c, tells_leave: a tell does not wait for the gate (R87)")                 \
    X(31, tell_row_alone,         "tells_run.c, last_entry_over: that a tell has run is an entry of its own (R88)")    \
    X(32, tell_number_unchecked,  "tells_in.c, accept_sent: a tell that was taken is taken again (R88)")               \
    X(33, pending_forgotten,      "tells_start.c: tells that were accepted and have not run are not found at start")   \
    X(80, full_log_refuses,       "segments.c, start_create: a full log refuses, though some of it will go (R74)")     \
    X(90, vote_before_durable,    "raft_send.c: letters do not wait for the term and vote they are written under")     \
    X(91, entries_early,          "raft_step.c, node_step: entries are reported as written when on their way")         \
    X(92, change_not_first,       "raft_guard.c: a change goes to the core in the middle of a message")                \
    X(93, before_snapshot,        "raft_guard.c: entries that a snapshot took in are given to the core again")         \
    X(94, letters_unordered,      "raft_guard.c: overtaken letters are taken, and stale rejections with them")         \
    X(95, persisted_stale,        "raft_step.c: entries that were replaced are reported as written")                   \
    X(96, snapshot_after_log,     "raft_log.c, replica_log_install: the log goes first, the snapshot comes after")     \
    X(97, open_configuration,     "raft_guard.c: a snapshot has a configuration that may be rolled back")              \
    X(100, promote_out_of_sync,   "directory_shards.c, check_successor: one is promoted that is not in isr (R40)")     \
    X(101, isr_below_min,         "directory_shards.c, apply_remove: the set shrinks below min_isr (R2)")              \
    X(102, cv_unchecked,          "directory_shards.c, begin: a command counts that was about an older entry (R1)")    \
    X(103, lost_promoted,         "directory_shards.c, check_successor: a lost copy is promoted (R47)")                \
    X(104, tombstone_revived,     "directory_members.c, check_process: a removed node comes back")                     \
    X(105, lease_ignored,         "directory_shards.c, check_lease: fail-over while the old lease may last (R40)")     \
    X(210, token_again,           "directory_elections.c, put: a token is its holder's order, not when it became one") \
    X(211, elect_hasty_leader,    "candidacies.c, add_one: a new leader does not wait for what others granted")       \
    X(212, elect_asked_stays,     "candidacies.c, candidacies_answered: a renewal waits on when its round is over")    \
    X(213, elect_look_late,       "candidacies.c, candidacies_ended: who could not be ended is not looked at again")   \
    X(216, elect_from_arrival,    "campaign.c, grant: a lease counts from when the answer came")                       \
    X(217, elect_stale_answer,    "campaign.c, answered: an answer to an earlier life of a candidacy counts")          \
    X(218, elect_same_id,         "campaign.c, begin_anew: the next life of a candidacy stands under the same id")     \
    X(110, lease_no_drift,        "lease_*.c: both sides take clocks for exact (R10, R11)")                            \
    X(111, lease_from_arrival,    "lease_holder.c: a lease counts from when the grant arrived (R10)")                  \
    X(112, lease_hasty_leader,    "lease_grantor.c: a new leader does not wait for what others granted (R5)")          \
    X(113, lease_numbers_again,   "lease_holder.c: a process takes grants to the one before it for its own (R12)")     \
    X(114, lease_index_ignored,   "lease_holder.c: a lease is used before the feed is applied so far (R13)")           \
    X(115, lease_while_taken,     "lease_grantor.c: a node that is taken from is granted a lease (R5)")                \
    X(116, lease_jump_believed,   "lease_grantor.c: a tick counts as much as the clock says (R11)")                    \
    X(117, lease_round_before,    "lease_grantor.c: a round that began before a renewal serves it (R4)")               \
    X(130, read_without_quorum,   "server.c, begin_round: a leader believes that it leads without asking")             \
    X(131, raft_early,            "raft_disk_shard.c, arrived: a batch is answered when it is an entry, not durable")  \
    X(132, raft_overtaken,        "raft_disk_shard.c, put_back: batches overtake what was rolled back (R74)")          \
    X(180, drain_ignored,         "placement_rows.c, state_of: a node that is drained is taken for any other")         \
    X(181, pause_ignored,         "leader_placement.c, start_moves: what is only for balance goes on in a pause")      \
    X(182, min_isr_for_the_dead,  "placement_rows.c, count_staying: min_isr falls because nodes are down")             \
    X(160, replog_epoch_unchecked, "follower.c, check_append: entries of any epoch are taken (R21)")                   \
    X(161, replog_one_ack,         "set.c, set_committed: one backup that has it is enough (R23)")                     \
    X(162, replog_out_of_sync,     "directory_shards.c, primary.c: one is promoted that is not in isr (R40)")          \
    X(163, replog_ack_early,       "links.c, write_ack: entries are acknowledged before they are on disk (R22)")       \
    X(164, replog_cut_to_commit,   "follower.c, find_match: cut to what is known to be committed (R32d)")              \
    X(165, replog_epoch_resumed,   "primary.c, is_promoted: a restarted primary goes on in its epoch (R34)")           \
    X(166, replog_lease_ignored,   "directory_shards.c, check_lease: fail-over while the old lease lasts (R11)")       \
    X(167, replog_lease_old_view,  "lease_holder.c, lease_holder_until: used before the feed is applied so far (R13)") \
    X(168, replog_double_cuts,     "follower.c, take_newepoch: a late double of NEWEPOCH cuts again (R32c)")           \
    X(169, replog_add_early,       "change.c, is_caught_up: a learner needs only what is committed (R41)")             \
    X(170, replog_add_late,        "change.c, consider_add: it is waited for only when it is in (R41)")                \
    X(171, replog_remove_early,    "change.c, consider_remove: it is waited for no more when REMOVE is sent (R42)")    \
    X(172, replog_move_untouched,  "change.c, settle: a move is given up without TOUCH (R51)")                         \
    X(173, replog_rid_unchecked,   "set.c, set_same: any copy of a node is the one that was there (R23, R47)")         \
    X(174, replog_ready_early,     "primary.c, consider_ready: reads before all follow, and have the start (R33)")     \
    X(175, replog_applied_early,   "follower.c, commit: what is not on the own disk is applied (R24)")                 \
    X(176, replog_row_again,       "replog.c, replog_space: a row looked at again settles what was proposed (R41)")    \
    X(120, peer_proof_unchecked,  "handshake.c, check_proof: any proof will do")                                       \
    X(121, peer_proof_reflected,  "handshake.c, prove: both sides prove the same, so one can send back the other's")   \
    X(122, peer_tag_unchecked,    "peer_receive.c, is_genuine: a frame's tag is not looked at")                        \
    X(123, peer_life_ignored,     "peers.c, send_frame: what was for a life that is over goes to the next")            \
    X(124, peer_nonce_repeated,   "handshake.c, handshake_answer: who answers draws no nonce of its own")              \
    X(140, forward_again,         "forward_send.c, is_safe: what may have run is sent again, whatever it is")          \
    X(145, forward_lost_answers,  "forward_visit.c, answer: an answer that finds the link full is dropped")            \
    X(146, forward_lost_events,   "forward_watch.c, forward_watch_gone: a listener is not told that its link is gone") \
    X(147, forward_bare_session,  "forward_send.c, put_call: a call goes on without its session")                      \
    X(225, load_of_silent,        "leader_load.c, have_all_said: who says nothing of its load is taken to do nothing") \
    X(226, load_no_rest,          "leader_load.c, leader_load_is_due: load is looked at before moves show in it")      \
    X(227, load_any_gain,         "leader_load.c, leader_load_is_worth: shards move for whatever little there is")     \
    X(190, carry_two_serve,       "cluster_map.c: a shard is served while its row has two copies")                     \
    X(191, carry_unapplied,       "carry_out.c: rows leave before the store has all that is committed (R41)")          \
    X(192, carry_drop_early,      "carry.c, look_at: who hands a shard over deletes it while its row has the copy")    \
    X(193, carry_unsure,          "carry.c, answered: an ADD without an answer is taken for none (R44)")               \
    X(220, coord_crowded,         "leases.c, fits, leases_ask: whoever asks is given what others hold")                \
    X(221, coord_token_again,     "leases.c, begin: a lease begins under the token of the one before")                 \
    X(222, coord_line_stuck,      "leases.c, leases_leave: one goes out of the line, and those behind wait on")        \
    X(223, coord_released_early,  "barrier.c, come: a generation is released before all have come")                    \
    X(224, coord_view_kept,       "leases.c, end: a member is lost, and the view stays")                               \
    X(195, copy_gate_early,       "commit.c, commit_open_gate: what is on the own disk is answered (R23, R25)")        \
    X(196, copy_tail_applied,     "recover.c: what others have a say in is applied at start (R24, R70)")               \
    X(197, copy_results_lost,     "replicas_tail.c, tail_release: a backup forgets what clients were answered (R81)")  \
    X(205, leader_full_stays,     "leader_roles.c: a leader whose disk is full leads on, and can propose nothing")     \
    X(206, replog_stays,          "replog.c, replog_leave: a process that ends keeps what it leads until it is gone")  \
    X(150, move_opens_gate,       "commit.c, commit_abandon: what waits at the gate leaves when a shard is given up")  \
    X(151, move_epoch_early,      "duty_open.c, duty_open_step: a shard is open before its epoch is on disk (R30)")    \
    X(152, move_lease_early,      "turn.c, gate_opened: the lease is not checked behind the gate (R15)")               \
    X(153, move_unfinished,       "install.c, recover.c: a copy is served before its last record is durable (R63)")    \
    X(154, move_name_again,       "commit.c, forget_epochs: an installed copy is named anew, without its generation")

#ifdef PDR_MUTATIONS
extern int mutation_chosen; /* tests/simulation/main.c; 0: none */
#define MUTATION(n) __builtin_expect(mutation_chosen == (n), 0)
#else
#define MUTATION(n) 0
#endif

#endif
