/* tests/unit/core/base/test_list.c: the intrusive list. */
#include "core/base/list.h"

#include "tests/lib/test.h"

struct item {
    int value;
    struct list node;
};

static int value(struct list *node)
{
    return node == NULL ? -1 : LIST_ITEM(node, struct item, node)->value;
}

/* The values in order, read forwards, and the same backwards, as one number: 1, 2, 3 is 123. */
static int forwards(struct list *head)
{
    int n = 0;
    for (struct list *node = head->next; node != head; node = node->next) {
        n = n * 10 + value(node);
    }
    return n;
}

static int backwards(struct list *head)
{
    int n = 0;
    for (struct list *node = head->prev; node != head; node = node->prev) {
        n = n * 10 + value(node);
    }
    return n;
}

TEST(pushes_at_both_ends_and_pops_the_first)
{
    struct list head;
    struct item a = {1, {0}}, b = {2, {0}}, c = {3, {0}};
    list_init(&head);
    EXPECT(list_empty(&head) && list_pop(&head) == NULL);
    list_push_back(&head, &b.node);
    list_push_back(&head, &c.node);
    list_push_front(&head, &a.node);
    EXPECT_INT(forwards(&head), 123);
    EXPECT_INT(backwards(&head), 321);
    struct list *first = list_pop(&head);
    EXPECT(value(first) == 1 && list_alone(first) && !list_empty(&head));
    EXPECT_INT(value(list_pop(&head)), 2);
    EXPECT_INT(value(list_pop(&head)), 3);
    EXPECT(list_empty(&head));
}

TEST(removes_from_the_middle_and_twice)
{
    struct list head;
    struct item a = {1, {0}}, b = {2, {0}}, c = {3, {0}};
    list_init(&head);
    list_push_back(&head, &a.node);
    list_push_back(&head, &b.node);
    list_push_back(&head, &c.node);
    EXPECT(!list_alone(&b.node));
    list_remove(&b.node);
    EXPECT(list_alone(&b.node));
    list_remove(&b.node); /* in no list: nothing happens */
    EXPECT_INT(forwards(&head), 13);
    EXPECT_INT(backwards(&head), 31);
}

TEST(splices_behind_what_is_there)
{
    struct list to, from;
    struct item a = {1, {0}}, b = {2, {0}}, c = {3, {0}};
    list_init(&to);
    list_init(&from);
    list_splice(&to, &from);
    EXPECT(list_empty(&to));
    list_push_back(&from, &b.node);
    list_push_back(&from, &c.node);
    list_push_back(&to, &a.node);
    list_splice(&to, &from);
    EXPECT_INT(forwards(&to), 123);
    EXPECT_INT(backwards(&to), 321);
    EXPECT(list_empty(&from));
    list_splice(&from, &to); /* into an empty one */
    EXPECT_INT(forwards(&from), 123);
    EXPECT(list_empty(&to));
}

TEST_MAIN()
