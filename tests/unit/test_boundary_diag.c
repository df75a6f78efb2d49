/* The kernel's lists of sockets: what was recorded from a kernel is understood, and nothing that is cut off or altered is read beyond its end. */
#include "common/mem.h"
#include "deploy/ctl/boundary_diag.h"

#include <errno.h>
#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

/* Recorded on Linux 6.18: TCP 127.0.0.2:5222 listening, with one connection from 127.0.0.1:40000; [::1]:5269; UDP 127.0.0.1:5353; Unix /tmp/rec.sock
 * with one connection that is accepted and one that is not, and an abstract datagram socket "a\x1bb"; a packet socket; netlink sockets. */
static const char tcp4[] =
    "7c00000014000200010000008f160000020a0000146600007f0000020000000000000000000000000000000000"
    "000000000000000000000000000000460200000000000000000000000000000500000000000000a3b44f000500"
    "08000000000008000f00000000000c001500010000000000000006001600520000007c00000014000200010000"
    "008f160000020100009c4014667f0000010000000000000000000000007f000002000000000000000000000000"
    "00000000470200000000000000000000000000000000000000000000a4b44f00050008000000000008000f0000"
    "0000000c001500010000000000000006001600520000007c00000014000200010000008f160000020100001466"
    "9c407f0000020000000000000000000000007f0000010000000000000000000000000000000048020000000000"
    "0000000000000000000000000000000000a5b44f00050008000000000008000f00000000000c00150001000000"
    "000000000600160052000000";
static const char tcp6[] =
    "8400000014000200010000008f1600000a0a000014950000000000000000000000000000000000010000000000"
    "000000000000000000000000000000490200000000000000000000000000008000000000000000a6b44f000500"
    "08000000000005000b000100000008000f00000000000c00150001000000000000000600160012000000";
static const char udp4[] =
    "7c00000014000200010000008f1600000207000014e900007f0000010000000000000000000000000000000000"
    "0000000000000000000000000000004a0200000000000000000000000000000000000000000000a7b44f000500"
    "08000000000008000f00000000000c00150001000000000000000600160050000000";
static const char unix_[] =
    "3800000014000200010000008f16000001010100a9b44f004b0200000000000008000200aab44f000500060000"
    "00000008000700000000003800000014000200010000008f16000001010100abb44f004c020000000000000800"
    "020000000000050006000000000008000700000000004c00000014000200010000008f16000001010100aab44f"
    "004d02000000000000120000002f746d702f7265632e736f636b00000008000200a9b44f000500060000000000"
    "08000700000000004c00000014000200010000008f16000001010a00a8b44f004e02000000000000120000002f"
    "746d702f7265632e736f636b00000008000300abb44f0005000600000000000800070000000000380000001400"
    "0200010000008f16000001020700acb44f004f020000000000000800000000611b620500060000000000080007"
    "0000000000";
static const char packet[] =
    "4400000014000200010000008f16000011030000adb44f0050020000000000001c000000000000000000000000"
    "0000000000000000000000000000000800050000000000";
static const char netlink[] =
    "2c00000014000200010000008f16000010020007000000000000000000000000c7a74f0051020000000000002c"
    "00000014000200010000008f16000010020407000000000000000000000000cda74f0052020000000000002c00"
    "000014000200010000008f160000100304078f1600000000000000000000aeb44f0053020000000000002c0000"
    "0014000200010000008f16000010020607000000000000000000000000cfa74f0054020000000000002c000000"
    "14000200010000008f16000010020907000000000000000000000000c9a74f0055020000000000002c00000014"
    "000200010000008f16000010020a07000000000000000000000000cba74f0056020000000000002c0000001400"
    "0200010000008f16000010020c07000000000000000000000000cea74f0057020000000000002c000000140002"
    "00010000008f16000010020f07000000000000000000000000caa74f0058020000000000002c00000014000200"
    "010000008f16000010021007000000000000000000000000c8a74f005902000000000000140000000300020001"
    "0000008f16000000000000";
static const char done[] = "1400000003000200010000008f16000000000000";
static const char no_list[] = "1400000003000200010000008f160000feffffff";

struct seen {
    struct boundary_socket sockets[64];
    size_t count;
    uint64_t pending[8][2];
    size_t pending_count;
};

static void on_socket(void *owner, const struct boundary_socket *s)
{
    struct seen *seen = owner;

    assert_true(s->inode != 0);
    if (seen->count < ARRAY_LEN(seen->sockets))
        seen->sockets[seen->count++] = *s;
}

static void on_pending(void *owner, uint64_t inode, uint64_t listener)
{
    struct seen *seen = owner;

    if (seen->pending_count < ARRAY_LEN(seen->pending)) {
        seen->pending[seen->pending_count][0] = inode;
        seen->pending[seen->pending_count++][1] = listener;
    }
}

static const struct boundary_diag *list_of(enum boundary_kind kind, int family)
{
    for (size_t i = 0; i < boundary_diag_count; i++)
        if (boundary_diags[i].kind == kind && boundary_diags[i].family == family)
            return &boundary_diags[i];
    fail();
    return NULL;
}

static const struct recording {
    const char *hex;
    enum boundary_kind kind;
    int family;
} recordings[] = {
    { tcp4, BOUNDARY_TCP, AF_INET },       { tcp6, BOUNDARY_TCP, AF_INET6 },     { udp4, BOUNDARY_UDP, AF_INET },
    { unix_, BOUNDARY_UNIX, AF_UNIX },     { packet, BOUNDARY_PACKET, AF_PACKET }, { netlink, BOUNDARY_NETLINK, AF_NETLINK },
    { done, BOUNDARY_TCP, AF_INET },
};

/* Of bytes in a block of exactly their size, so that one byte too many is seen. */
static enum err read_bytes(const struct recording *r, struct str bytes, struct seen *seen, struct arena *arena, int *out_error)
{
    struct boundary_diag_reader reader = {
        .diag = list_of(r->kind, r->family), .arena = arena, .on_socket = on_socket, .on_pending = on_pending, .owner = seen
    };
    char *copy = malloc(bytes.n ? bytes.n : 1);
    enum err e;

    *seen = (struct seen){ 0 };
    memcpy(copy, bytes.p, bytes.n);
    e = boundary_diag_read(&reader, str_of(copy, bytes.n));
    free(copy);
    if (out_error)
        *out_error = reader.is_done ? reader.error : -1;
    return e;
}

static void read_recording(size_t i, struct seen *seen, struct arena *arena)
{
    struct buf bytes = { 0 };

    assert_int_equal(buf_add_hex_decoded(&bytes, str_from(recordings[i].hex)), ERR_OK);
    assert_int_equal(read_bytes(&recordings[i], buf_str(&bytes), seen, arena, NULL), ERR_OK);
    buf_fini(&bytes);
}

static void tcp_sockets_have_addresses_state_and_inode(void **state)
{
    struct arena arena = { 0 };
    struct seen seen;

    (void)state;
    read_recording(0, &seen, &arena);
    assert_int_equal(seen.count, 3);
    for (size_t i = 0; i < seen.count; i++) {
        struct boundary_socket *s = &seen.sockets[i];
        bool is_listener = s->inode == 0x4fb4a3;
        bool is_client = s->inode == 0x4fb4a4;

        assert_true(is_listener || is_client || s->inode == 0x4fb4a5);
        assert_int_equal(s->state, is_listener ? BOUNDARY_LISTENING : BOUNDARY_CONNECTED);
        assert_string_equal(boundary_address_text(&arena, &s->local).p, is_client ? "127.0.0.1:40000" : "127.0.0.2:5222");
        assert_string_equal(boundary_address_text(&arena, &s->remote).p, is_listener ? "" : is_client ? "127.0.0.2:5222" : "127.0.0.1:40000");
    }
    read_recording(1, &seen, &arena);
    assert_int_equal(seen.count, 1);
    assert_string_equal(boundary_address_text(&arena, &seen.sockets[0].local).p, "[::1]:5269");
    read_recording(2, &seen, &arena);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.sockets[0].state, BOUNDARY_OPEN);
    assert_string_equal(boundary_address_text(&arena, &seen.sockets[0].local).p, "127.0.0.1:5353");
    arena_fini(&arena);
}

static const struct boundary_socket *unix_of(const struct seen *seen, uint64_t inode)
{
    for (size_t i = 0; i < seen->count; i++)
        if (seen->sockets[i].inode == inode)
            return &seen->sockets[i];
    fail();
    return NULL;
}

static void unix_sockets_have_names_and_their_other_ends(void **state)
{
    struct arena arena = { 0 };
    struct seen seen;

    (void)state;
    read_recording(3, &seen, &arena);
    assert_true(str_is(unix_of(&seen, 0x4fb4a8)->path, "/tmp/rec.sock"));
    assert_int_equal(unix_of(&seen, 0x4fb4a8)->state, BOUNDARY_LISTENING);
    assert_int_equal(unix_of(&seen, 0x4fb4a9)->peer, 0x4fb4aa);
    assert_int_equal(unix_of(&seen, 0x4fb4a9)->path.n, 0);
    assert_int_equal(unix_of(&seen, 0x4fb4aa)->peer, 0x4fb4a9);
    assert_true(str_is(unix_of(&seen, 0x4fb4aa)->path, "/tmp/rec.sock"));
    assert_true(str_is(unix_of(&seen, 0x4fb4ac)->path, "@a\\x1bb"));
    assert_int_equal(unix_of(&seen, 0x4fb4ac)->state, BOUNDARY_OPEN);
    assert_int_equal(seen.pending_count, 1);
    assert_int_equal(seen.pending[0][0], 0x4fb4ab);
    assert_int_equal(seen.pending[0][1], 0x4fb4a8);
    arena_fini(&arena);
}

static void packet_and_netlink_sockets_are_told(void **state)
{
    struct arena arena = { 0 };
    struct seen seen;

    (void)state;
    read_recording(4, &seen, &arena);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.sockets[0].inode, 0x4fb4ad);
    read_recording(5, &seen, &arena);
    assert_true(seen.count >= 1); /* those of the kernel have no inode */
    arena_fini(&arena);
}

static void the_end_of_a_list_says_whether_there_is_one(void **state)
{
    static const struct {
        const char *hex;
        int error;
    } rows[] = { { done, 0 }, { no_list, ENOENT } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf bytes = { 0 };
        struct arena arena = { 0 };
        struct seen seen;
        int error;

        assert_int_equal(buf_add_hex_decoded(&bytes, str_from(rows[i].hex)), ERR_OK);
        assert_int_equal(read_bytes(&recordings[0], buf_str(&bytes), &seen, &arena, &error), ERR_OK);
        assert_int_equal(error, rows[i].error);
        buf_fini(&bytes);
        arena_fini(&arena);
    }
}

static void what_is_cut_off_or_altered_is_refused_or_read_within_its_bounds(void **state)
{
    uint32_t random = 1;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
        struct buf bytes = { 0 };
        struct seen seen;

        assert_int_equal(buf_add_hex_decoded(&bytes, str_from(recordings[i].hex)), ERR_OK);
        for (size_t n = 0; n < bytes.n; n++) {
            struct arena arena = { 0 };
            enum err e = read_bytes(&recordings[i], str_of(bytes.p, n), &seen, &arena, NULL);

            assert_true(e == ERR_OK || e == ERR_MALFORMED);
            arena_fini(&arena);
        }
        assert_int_equal(read_bytes(&recordings[i], str_of(bytes.p, NLMSG_HDRLEN - 1), &seen, &(struct arena){ 0 }, NULL), ERR_MALFORMED);
        for (int round = 0; round < 3000; round++) {
            struct arena arena = { 0 };
            size_t at;
            char before;

            random = random * 1664525 + 1013904223;
            at = (random >> 8) % bytes.n;
            before = bytes.p[at];
            bytes.p[at] = (char)(random >> 24);
            (void)!read_bytes(&recordings[i], buf_str(&bytes), &seen, &arena, NULL);
            if (round % 7) /* several at once, too */
                bytes.p[at] = before;
            arena_fini(&arena);
        }
        buf_fini(&bytes);
    }
}

/* An answer that belongs to another list than the one that was asked for. */
static void the_answer_to_another_question_is_refused(void **state)
{
    struct buf bytes = { 0 };
    struct arena arena = { 0 };
    struct seen seen;
    struct recording mixed = recordings[0];

    (void)state;
    assert_int_equal(buf_add_hex_decoded(&bytes, str_from(tcp6)), ERR_OK);
    assert_int_equal(read_bytes(&mixed, buf_str(&bytes), &seen, &arena, NULL), ERR_MALFORMED);
    assert_int_equal(seen.count, 0);
    buf_fini(&bytes);
    arena_fini(&arena);
}

static void each_request_is_one_message_of_its_own_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < boundary_diag_count; i++) {
        struct buf request = { 0 };
        uint32_t length;

        boundary_diag_ask(&boundary_diags[i], &request);
        assert_true(request.n > NLMSG_HDRLEN);
        memcpy(&length, request.p, sizeof length);
        assert_int_equal(length, request.n);
        assert_int_equal(request.p[NLMSG_HDRLEN], boundary_diags[i].family);
        buf_fini(&request);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp_sockets_have_addresses_state_and_inode),
        cmocka_unit_test(unix_sockets_have_names_and_their_other_ends),
        cmocka_unit_test(packet_and_netlink_sockets_are_told),
        cmocka_unit_test(the_end_of_a_list_says_whether_there_is_one),
        cmocka_unit_test(what_is_cut_off_or_altered_is_refused_or_read_within_its_bounds),
        cmocka_unit_test(the_answer_to_another_question_is_refused),
        cmocka_unit_test(each_request_is_one_message_of_its_own_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
