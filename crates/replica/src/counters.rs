//! What the core has counted since boot.

/// Plain sums; each says what was done or dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Packets taken in.
    pub packets_received: u64,
    /// Packets refused as malformed.
    pub packets_malformed: u64,
    /// Datagrams handed out, one per receiver.
    pub datagrams_sent: u64,
    /// Stream messages handed out, one per receiver.
    pub messages_sent: u64,
    /// Bytes handed out, before sealing.
    pub bytes_sent: u64,
    /// Changes that were new.
    pub changes_new: u64,
    /// Changes that had been seen before.
    pub changes_doubled: u64,
    /// Changes dropped because they could not be read or had no valid author.
    pub changes_refused: u64,
    /// Transactions of others that were new.
    pub transactions_new: u64,
    /// Transactions that were fetched.
    pub transactions_repaired: u64,
    /// Transactions that could not be applied, and come again.
    pub transactions_refused: u64,
    /// Times this node forgot its tables because it was away for too long.
    pub tables_forgotten: u64,
    /// Transactions that found no room to wait in, and come again.
    pub transactions_dropped: u64,
    /// Rows merged from repairs.
    pub rows_repaired: u64,
    /// Rows kept but not applied because they cannot be read.
    pub rows_unreadable: u64,
    /// Gaps that had to be asked for.
    pub gaps_asked: u64,
    /// Comparisons that found no difference.
    pub syncs_equal: u64,
    /// Comparisons that found one.
    pub syncs_different: u64,
    /// Probes begun.
    pub probes: u64,
    /// Probes that nobody answered.
    pub probes_failed: u64,
    /// Accusations of this node that it refuted.
    pub refutations: u64,
    /// Members declared down here.
    pub declared_down: u64,
    /// Times this node found that it had stood still, and accused nobody for it.
    pub stalls: u64,
    /// Leases renewed.
    pub renewals: u64,
    /// Leases that ran out.
    pub leases_expired: u64,
    /// Leases that ran out among many, so that the instance was kept in service.
    pub leases_held: u64,
    /// Removals that had to wait because many went at once.
    pub removals_held: u64,
    /// Nodes that were lost among many, so that their instances were kept in service.
    pub losses_held: u64,
    /// Instances of other nodes that were said to be gone here.
    pub overrules: u64,
    /// Times this node and another had seen the same and did not have the same.
    pub audits: u64,
    /// Rows dropped because their owner said that it has none such.
    pub rows_disowned: u64,
    /// Rows that had been lost here and were asked for again.
    pub rows_restored: u64,
    /// Tombstones dropped because everybody had seen them.
    pub tombstones_collected: u64,
    /// Sessions opened.
    pub sessions_opened: u64,
    /// Sessions whose connection broke while something was registered on them.
    pub sessions_lost: u64,
    /// Statements not remembered because there are too many members, and news of members that found no room.
    pub statements_dropped: u64,
    /// Juries that reached a member which this node could not reach.
    pub acquittals: u64,
    /// Accusations and verdicts withheld because this node heard hardly anybody.
    pub withheld: u64,
    /// Suspects that were heard from here.
    pub testimonies: u64,
    /// Copies of news sent for the first time.
    pub news_sent: u64,
    /// Copies of news sent again because nobody acknowledged them.
    pub news_sent_again: u64,
    /// Copies of news received that were known already.
    pub news_doubled: u64,
    /// Receivers that several copies did not reach, and that were left to anti-entropy.
    pub news_given_up: u64,
    /// Copies of news whose acknowledgement was not awaited, for want of room.
    pub news_untracked: u64,
    /// Times this node told everybody nothing, so that the way of news is measured.
    pub canaries: u64,
}

impl Counters {
    /// How many there are.
    pub const COUNT: usize = 45;

    /// These, with what membership and broadcast have counted.
    pub(crate) fn with(self, members: &whither_gossip::Counters, news: &whither_gossip::BroadcastCounters) -> Self {
        Self {
            probes: members.probes,
            probes_failed: members.probes_failed,
            refutations: members.refutations,
            declared_down: members.declared_down,
            stalls: members.stalls,
            statements_dropped: members.claims_dropped,
            acquittals: members.acquittals,
            withheld: members.withheld,
            testimonies: members.testimonies,
            news_sent: news.sent,
            news_sent_again: news.sent_again,
            news_doubled: news.doubles,
            news_given_up: news.left_to_repair,
            news_untracked: news.untracked,
            ..self
        }
    }

    /// Name, meaning and value of each, for metrics.
    #[must_use]
    pub fn named(&self) -> [(&'static str, &'static str, u64); Self::COUNT] {
        [
            ("packets_received_total", "Packets from peers taken in.", self.packets_received),
            ("packets_malformed_total", "Packets from peers refused as malformed.", self.packets_malformed),
            ("datagrams_sent_total", "Datagrams to peers, one per receiver.", self.datagrams_sent),
            ("messages_sent_total", "Stream messages to peers, one per receiver.", self.messages_sent),
            ("peer_bytes_sent_total", "Bytes to peers, before sealing.", self.bytes_sent),
            ("changes_new_total", "Changes of peers that were new here.", self.changes_new),
            ("changes_doubled_total", "Changes of peers that had been seen before.", self.changes_doubled),
            ("changes_refused_total", "Changes of peers that could not be read.", self.changes_refused),
            ("transactions_new_total", "Transactions of other nodes that were new here.", self.transactions_new),
            ("transactions_repaired_total", "Transactions that came by anti-entropy.", self.transactions_repaired),
            ("transactions_refused_total", "Transactions not applied: they come again.", self.transactions_refused),
            (
                "transactions_dropped_total",
                "Transactions without room to wait: they come again.",
                self.transactions_dropped,
            ),
            ("tables_forgotten_total", "Times users' tables were taken from the others anew.", self.tables_forgotten),
            ("rows_repaired_total", "Rows that came by anti-entropy.", self.rows_repaired),
            ("rows_unreadable_total", "Rows kept and passed on but not understood.", self.rows_unreadable),
            ("gaps_asked_total", "Gaps in a peer's changes that had to be asked for.", self.gaps_asked),
            ("syncs_equal_total", "Comparisons with a peer that found no difference.", self.syncs_equal),
            ("syncs_different_total", "Comparisons with a peer that found a difference.", self.syncs_different),
            ("probes_total", "Probes of members begun.", self.probes),
            ("probes_failed_total", "Probes of members that nobody answered.", self.probes_failed),
            ("refutations_total", "Accusations of this node that it refuted.", self.refutations),
            ("declared_down_total", "Members that this node declared down.", self.declared_down),
            ("stalls_total", "Times this node found that it had stood still.", self.stalls),
            ("renewals_total", "Leases renewed.", self.renewals),
            ("leases_expired_total", "Leases that ran out.", self.leases_expired),
            ("leases_held_total", "Leases that ran out among many: kept in service.", self.leases_held),
            ("removals_held_total", "Removals that had to wait: many went at once.", self.removals_held),
            ("losses_held_total", "Nodes lost among many: their instances kept in service.", self.losses_held),
            ("overrules_total", "Instances of other nodes that were said here to be gone.", self.overrules),
            ("audits_total", "Times this node and another had seen the same and did not have the same.", self.audits),
            ("rows_disowned_total", "Rows dropped: their owner said that it has none such.", self.rows_disowned),
            ("rows_restored_total", "Rows that were lost here and asked for again.", self.rows_restored),
            ("tombstones_collected_total", "Tombstones dropped: everybody had seen them.", self.tombstones_collected),
            ("sessions_opened_total", "Sessions opened.", self.sessions_opened),
            (
                "sessions_lost_total",
                "Sessions whose connection broke while something was registered on them.",
                self.sessions_lost,
            ),
            ("statements_dropped_total", "Statements about members that found no room.", self.statements_dropped),
            ("acquittals_total", "Members that others reached and this node did not.", self.acquittals),
            ("accusations_withheld_total", "Accusations withheld: hardly anybody was heard.", self.withheld),
            ("testimonies_total", "Suspects that were heard from here.", self.testimonies),
            ("news_sent_total", "Copies of news sent for the first time.", self.news_sent),
            ("news_sent_again_total", "Copies of news sent again, unacknowledged.", self.news_sent_again),
            ("news_doubled_total", "Copies of news that were known already.", self.news_doubled),
            ("news_given_up_total", "Receivers of news left to anti-entropy.", self.news_given_up),
            ("news_untracked_total", "Copies of news whose receipt was not awaited.", self.news_untracked),
            ("canaries_total", "Times this node, being silent, had the way of news measured.", self.canaries),
        ]
    }
}
