/* A doubly linked list whose links live in its members. The head is a link of its own. */
#ifndef COMMON_LIST_H
#define COMMON_LIST_H

#include "common/base.h"

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *head)
{
    head->next = head->prev = head;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_push_back(struct list *head, struct list *item)
{
    item->prev = head->prev;
    item->next = head;
    head->prev->next = item;
    head->prev = item;
}

static inline void list_push_front(struct list *head, struct list *item)
{
    list_push_back(head->next, item);
}

/* Afterwards item is a list of its own: removing it twice does no harm. */
static inline void list_remove(struct list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}

/* NULL when empty. */
static inline struct list *list_first(const struct list *head)
{
    return list_is_empty(head) ? NULL : head->next;
}

#define LIST_FOR_EACH(item, head)                                                                  \
    for (struct list *item = (head)->next; item != (head); item = item->next)

/* The body may remove and free item. */
#define LIST_FOR_EACH_SAFE(item, following, head) \
    for (struct list *item = (head)->next, *following = item->next; item != (head); \
         item = following, following = item->next)

#endif
