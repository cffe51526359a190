/* consensus/directory_fault.c: what must be true of the rows at any time, whatever happened. A snapshot is held to it
 * before it is believed, and tests hold every state to it. */
#include <stdlib.h>

#include "consensus/directory_parts.h"
#include "core/base/mem.h"

static const char *fault_of_shard(const struct cluster_rows *rows, const struct cluster_shard *shard)
{
    const struct cluster_member *primary = cluster_rows_member(rows, shard->primary);
    if (shard->shard >= cluster_rows_info(rows)->next_shard) {
        return "a shard is in no group";
    }
    if (shard->min_isr == 0 || shard->isr.count < shard->min_isr) {
        return "a shard has fewer copies in sync than its min_isr"; /* I7 */
    }
    if (primary == NULL || !copies_have(&shard->isr, shard->primary)) {
        return "a shard's primary is not in sync";
    }
    if (shard->lineage == 0 || shard->epoch < shard->lineage || shard->cv < shard->epoch || shard->incarnation == 0 ||
        shard->incarnation > primary->incarnation) {
        return "a shard's lineage, epoch, cv or incarnation cannot be";
    }
    for (uint32_t i = 0; i < shard->isr.count; i++) {
        const struct copy *copy = &shard->isr.at[i];
        const struct cluster_member *member = cluster_rows_member(rows, copy->node);
        if (member == NULL || member->state == MEMBER_REMOVED) {
            return "a copy is on a node that is not a member";
        }
        if (copies_of(&shard->isr, copy->node) != copy || copies_find(&shard->isr, copy->rid) != copy) {
            return "two copies of a shard are on one node, or have one name";
        }
    }
    for (uint32_t i = 0; i < shard->lost.count; i++) {
        if (copies_find(&shard->isr, shard->lost.at[i]) == NULL) {
            return "a lost copy is not in sync";
        }
    }
    for (uint32_t i = 0; i < shard->targets.count; i++) {
        const struct cluster_member *member = cluster_rows_member(rows, shard->targets.at[i]);
        if (member == NULL || member->state == MEMBER_REMOVED) {
            return "a target is not a member";
        }
    }
    return NULL;
}

static int compare_texts(const void *a, const void *b)
{
    return pdr_bytes_compare(*(const struct pdr_bytes *)a, *(const struct pdr_bytes *)b);
}

static bool has_twins(struct pdr_bytes *texts, uint32_t count)
{
    qsort(texts, count, sizeof *texts, compare_texts);
    for (uint32_t i = 1; i < count; i++) {
        if (pdr_bytes_equal(texts[i - 1], texts[i])) {
            return true;
        }
    }
    return false;
}

static const char *fault_of_members(const struct cluster_rows *rows)
{
    const struct row_list *members = &rows->of[ROW_MEMBER];
    struct pdr_bytes *names = mem_new((members->count + 1) * sizeof *names);
    struct pdr_bytes *addresses = mem_new((members->count + 1) * sizeof *addresses);
    uint32_t count = 0;
    const char *fault = NULL;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct cluster_member *member = &members->at[i]->entry.member;
        if (member->state == 0 || member->incarnation == 0 || member->node == 0) {
            fault = "a member has no state, no incarnation or no id";
        }
        if (member->state != MEMBER_REMOVED) {
            names[count] = member->name;
            addresses[count++] = member->address;
        }
    }
    if (has_twins(names, count) || has_twins(addresses, count)) {
        fault = "two members have one name or one address";
    }
    mem_free(names);
    mem_free(addresses);
    return fault;
}

static int compare_firsts(const void *a, const void *b)
{
    uint32_t x = (*(const struct cluster_group *const *)a)->first, y = (*(const struct cluster_group *const *)b)->first;
    return x < y ? -1 : x > y;
}

static const char *fault_of_groups(const struct cluster_rows *rows)
{
    const struct row_list *list = &rows->of[ROW_GROUP];
    const struct cluster_group **groups = mem_new((list->count + 1) * sizeof *groups);
    uint32_t next = 0, i = 0;
    for (uint32_t k = 0; k < list->count; k++) {
        groups[k] = &list->at[k]->entry.group;
    }
    qsort(groups, list->count, sizeof *groups, compare_firsts);
    while (i < list->count && groups[i]->first == next && groups[i]->shards > 0) {
        next += groups[i++]->shards;
    }
    mem_free(groups);
    bool fits = i == list->count && next == cluster_rows_info(rows)->next_shard;
    return fits ? NULL : "the groups' shards overlap, or some are in no group";
}

static const char *fault_of_types(const struct cluster_rows *rows)
{
    for (uint32_t i = 0; i < rows->of[ROW_TYPE].count; i++) {
        if (cluster_rows_group(rows, rows->of[ROW_TYPE].at[i]->entry.type.group) == NULL) {
            return "a type is in a group that there is not";
        }
    }
    for (uint32_t i = 0; i < rows->of[ROW_HOSTS].count; i++) {
        if (cluster_rows_member(rows, rows->of[ROW_HOSTS].at[i]->entry.hosts.node) == NULL) {
            return "types are on a node that is not a member";
        }
    }
    return NULL;
}

static const char *fault_of_election(const struct cluster_row *row)
{
    const struct cluster_election *election = &row->entry.election;
    struct pdr_bytes rest = candidates_items(election->candidates);
    struct candidate candidate;
    uint32_t count = candidates_count(election->candidates);
    if ((election->name.size == 0) != (count == 0) || (count == 0) != (election->token == 0)) {
        return "an election has candidates and no name, or no candidates and a name or a token";
    }
    for (uint32_t i = 0; candidates_next(&rest, &candidate); i++) {
        struct candidate first;
        uint32_t ahead;
        if (candidate.owner == 0 || candidate.lease_ms < LIMIT_CAMPAIGN_LEASE_MS_MIN ||
            candidate.order > row->entry.changed || (i == 0 && candidate.order > election->token)) {
            return "a candidate's owner, lease or order cannot be";
        }
        if (!candidates_find(election->candidates, candidate.owner, &first, &ahead) || ahead != i) {
            return "a candidate stands twice in one election";
        }
    }
    return election->token <= row->entry.changed ? NULL : "an election's token cannot be";
}

static const char *fault_of_elections(const struct cluster_rows *rows)
{
    const struct row_list *list = &rows->of[ROW_ELECTION];
    const char *fault = NULL;
    for (uint32_t i = 0; fault == NULL && i < list->count; i++) {
        fault = list->at[i]->entry.election.slot == i ? fault_of_election(list->at[i])
                                                      : "the elections are not numbered from 0";
    }
    for (uint32_t i = 1; fault == NULL && i < rows->elections.count; i++) {
        const struct cluster_election *a = &rows->elections.at[i - 1]->entry.election;
        const struct cluster_election *b = &rows->elections.at[i]->entry.election;
        fault = pdr_bytes_equal(a->name, b->name) ? "two elections have one name" : NULL;
    }
    return fault;
}

const char *directory_fault(const struct directory *d)
{
    const struct cluster_rows *rows = &d->rows;
    const struct cluster_info *info = cluster_rows_info(rows);
    if (info == NULL) {
        for (uint32_t kind = 0; kind < ROW_KIND_COUNT; kind++) {
            if (rows->of[kind].count > 0) {
                return "there are rows, and no cluster";
            }
        }
        return NULL;
    }
    if (info->cluster.size != CLUSTER_ID_SIZE || info->format == 0) {
        return "the cluster has no id, or no format";
    }
    const char *fault = fault_of_members(rows);
    fault = fault != NULL ? fault : fault_of_groups(rows);
    fault = fault != NULL ? fault : fault_of_types(rows);
    fault = fault != NULL ? fault : fault_of_elections(rows);
    for (uint32_t i = 0; fault == NULL && i < rows->of[ROW_SHARD].count; i++) {
        fault = fault_of_shard(rows, &rows->of[ROW_SHARD].at[i]->entry.shard);
    }
    return fault;
}
