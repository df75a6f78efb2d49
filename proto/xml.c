/* Reading and building trees of elements (xml.h). Parsing is xml_parse.c's, writing xml_write.c's.
 */
#include "proto/xml.h"

#include "proto/ns.h"

static bool matches(const struct xml *x, const char *ns, const char *name)
{
    return !xml_is_text(x) && (!name || str_is(x->name, name)) && (!ns || str_is(x->ns, ns));
}

static struct xml *first_match(struct xml *x, const char *ns, const char *name)
{
    while (x && !matches(x, ns, name))
        x = x->next;
    return x;
}

/* What lies inside of x is no longer as it came; nor is what lies inside of those around it. */
static void touch(struct xml *x)
{
    for (; x; x = x->parent)
        x->inner = STR_NONE;
}

static struct xml_attr **find_attr(struct xml *x, const char *ns, const char *name)
{
    struct xml_attr **at = &x->attrs;

    while (*at && !(str_is((*at)->name, name) && str_eq((*at)->ns, str_from(ns))))
        at = &(*at)->next;
    return at;
}

static struct str attr_value(const struct xml *x, const char *ns, const char *name)
{
    const struct xml_attr *a = *find_attr((struct xml *)x, ns, name);

    return a ? a->value : STR_NONE;
}

struct str xml_attr(const struct xml *x, const char *name)
{
    return attr_value(x, NULL, name);
}

struct str xml_lang(const struct xml *x)
{
    return attr_value(x, NS_XML, "lang");
}

struct xml *xml_child(const struct xml *x, const char *ns, const char *name)
{
    return first_match(x->first, ns, name);
}

struct xml *xml_next(const struct xml *x, const char *ns, const char *name)
{
    return first_match(x->next, ns, name);
}

size_t xml_child_count(const struct xml *x)
{
    size_t n = 0;

    for (const struct xml *c = x->first; c; c = c->next)
        n += !xml_is_text(c);
    return n;
}

struct str xml_text(const struct xml *x, struct arena *arena)
{
    const struct xml *only = NULL;
    size_t n = 0, count = 0;
    char *p, *at;

    for (const struct xml *c = x->first; c; c = c->next) {
        if (!xml_is_text(c))
            continue;
        n += c->text.n;
        count++;
        only = c;
    }
    if (count == 0)
        return STR("");
    if (count == 1)
        return only->text;
    p = at = arena_alloc(arena, n + 1);
    for (const struct xml *c = x->first; c; c = c->next) {
        if (!xml_is_text(c) || c->text.n == 0)
            continue;
        memcpy(at, c->text.p, c->text.n);
        at += c->text.n;
    }
    return str_of(p, n);
}

static struct xml *new_element(struct arena *arena, struct str ns, struct str name)
{
    struct xml *x = arena_new(arena, struct xml);

    x->name = arena_str(arena, name);
    x->ns = ns;
    return x;
}

struct xml *xml_new(struct arena *arena, const char *ns, const char *name)
{
    return new_element(arena, arena_str(arena, str_from(ns)), str_from(name));
}

static void set_attr(struct xml *x, struct arena *arena, const char *ns, const char *name,
                     struct str value)
{
    struct xml_attr **at = find_attr(x, ns, name);

    touch(x->parent); /* x's own tag is always written anew */
    if (!str_is_set(value)) {
        if (*at)
            *at = (*at)->next;
        return;
    }
    if (!*at) {
        *at = arena_new(arena, struct xml_attr);
        (*at)->name = arena_str(arena, str_from(name));
        (*at)->ns = str_from(ns); /* one of our constants */
    }
    (*at)->value = arena_str(arena, value);
}

void xml_set(struct xml *x, struct arena *arena, const char *name, struct str value)
{
    set_attr(x, arena, NULL, name, value);
}

void xml_set_lang(struct xml *x, struct arena *arena, struct str value)
{
    set_attr(x, arena, NS_XML, "lang", value);
}

void xml_append(struct xml *parent, struct xml *child)
{
    ASSERT(!child->parent && !xml_is_text(parent));
    touch(parent);
    child->parent = parent;
    child->next = NULL;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
}

void xml_append_whole(struct xml *parent, struct arena *arena, struct xml *child)
{
    struct str inner = parent->inner;
    struct buf out = { 0 };

    ASSERT(!parent->parent);
    xml_append(parent, child);
    if (!str_is_set(inner))
        return;
    buf_add(&out, inner);
    xml_write(&out, child, parent->ns);
    parent->inner = arena_str(arena, buf_str(&out));
    buf_fini(&out);
}

struct xml *xml_add(struct xml *parent, struct arena *arena, const char *ns, const char *name)
{
    struct str child_ns =
        ns && !str_is(parent->ns, ns) ? arena_str(arena, str_from(ns)) : parent->ns;
    struct xml *x = new_element(arena, child_ns, str_from(name));

    xml_append(parent, x);
    return x;
}

void xml_add_text(struct xml *parent, struct arena *arena, struct str text)
{
    struct xml *x;

    if (text.n == 0)
        return;
    x = arena_new(arena, struct xml);
    x->text = arena_str(arena, text);
    xml_append(parent, x);
}

void xml_remove(struct xml *child)
{
    struct xml *parent = child->parent, *before = NULL;

    if (!parent)
        return;
    touch(parent);
    for (struct xml *c = parent->first; c != child; c = c->next)
        before = c;
    if (before)
        before->next = child->next;
    else
        parent->first = child->next;
    if (parent->last == child)
        parent->last = before;
    child->parent = child->next = NULL;
}

static struct xml_attr *copy_attrs(const struct xml_attr *from, struct arena *arena)
{
    struct xml_attr *first = NULL, **at = &first;

    for (; from; from = from->next, at = &(*at)->next) {
        *at = arena_new(arena, struct xml_attr);
        (*at)->name = arena_str(arena, from->name);
        (*at)->ns = arena_str(arena, from->ns);
        (*at)->value = arena_str(arena, from->value);
    }
    return first;
}

/* Without parent and children. */
static struct xml *copy_one(const struct xml *x, struct arena *arena)
{
    struct xml *copy = arena_new(arena, struct xml);

    copy->name = arena_str(arena, x->name);
    copy->ns = arena_str(arena, x->ns);
    copy->text = arena_str(arena, x->text);
    copy->attrs = copy_attrs(x->attrs, arena);
    copy->prefixes = copy_attrs(x->prefixes, arena);
    return copy;
}

/* No recursion: how deep a tree is, strangers may choose. The copies of x's content are made in the
 * order of the text. */
struct xml *xml_copy(const struct xml *x, struct arena *arena)
{
    struct xml *root = copy_one(x, arena), *into = root;
    const struct xml *at = x;

    for (;;) {
        if (at->first) {
            at = at->first;
        } else {
            while (at != x && !at->next) {
                at = at->parent;
                into = into->parent;
            }
            if (at == x)
                break;
            at = at->next;
            into = into->parent;
        }
        xml_append(into, copy_one(at, arena));
        into = into->last;
    }
    root->inner = arena_str(arena, x->inner);
    return root;
}

void xml_rename_ns(struct xml *x, const char *from, const char *to)
{
    struct xml *at = x;

    touch(x);
    for (;;) {
        if (str_is(at->ns, from))
            at->ns = str_from(to);
        if (at->first) {
            at = at->first;
            continue;
        }
        while (at != x && !at->next)
            at = at->parent;
        if (at == x)
            return;
        at = at->next;
    }
}
