/* SPDX-License-Identifier: MIT */
/* What the HTTP face reads of strangers before it knows them: heads, targets,
 * cookies, names, tokens. */
#include "fuzz.h"

#include "gate.h"
#include "head.h"
#include "target.h"

static void fuzz_target(const char *text)
{
    struct target t;
    if (target_parse(&t, text) != 0)
        return;
    must(text[0] == '/' && strlen(text) <= HTTP_TARGET_MAX);
    must(t.n_segments <= HTTP_SEGMENTS_MAX && t.n_pairs <= HTTP_PAIRS_MAX);
    for (size_t i = 0; i < t.n_segments; i++) {
        const char *s = t.segment[i];
        must(s >= t.text && s + strlen(s) < t.text + sizeof(t.text));
        must(*s != '\0' && strcmp(s, ".") != 0 && strcmp(s, "..") != 0);
        must(strpbrk(s, "/\\\r\n") == NULL);
    }
    for (size_t i = 0; i < t.n_pairs; i++)
        must(strlen(t.pair[i].name) + strlen(t.pair[i].value) <=
             HTTP_TARGET_MAX);
    must(target_fits(&t, "/a/{b}/c") == 0 || t.n_segments == 3);
    must((target_segment(&t, "/a/{b}/c", "b") != NULL) ==
         (t.n_segments >= 2));
}

/* Up to its empty line, if there is one: so much is handed over. */
static size_t head_len(const char *text, size_t len)
{
    for (size_t i = 4; i <= len; i++)
        if (memcmp(text + i - 4, "\r\n\r\n", 4) == 0)
            return i;
    return len;
}

/* What comes through has one meaning for every reader. */
static void fuzz_head(const char *text, size_t size)
{
    const char *detail = NULL;
    struct head h;
    size_t len = head_len(text, size);
    if (len > HTTP_HEAD_MAX)
        return;
    if (head_check(&h, text, len, &detail) != 0) {
        must(detail != NULL);
        return;
    }
    must(h.target >= text && h.target + h.target_len <= text + len);
    must(h.target_len > 0 && h.target[0] == '/' && h.body_len >= 0);
    must(len >= 4 && memchr(text, '\0', len) == NULL);
    for (size_t i = 0; i < len; i++)
        must((text[i] == '\n') == (i > 0 && text[i - 1] == '\r'));
    char *target = text_of((const uint8_t *)h.target, h.target_len);
    fuzz_target(target);
    free(target);
}

static void fuzz_gate(const char *text)
{
    static struct auth_row token = {"t", "0123456789abcdefghij", ROLE_READ};
    const struct auth auth = {NULL, &token, 0, 1};
    struct sessions none = {0};
    struct gate g = {.auth = &auth, .sessions = &none, .cookie = "s",
                     .any_address = 1};
    struct gate_answer a;
    char value[16];
    const struct gate_request r = {.method = "POST", .host = text,
                                   .origin = text, .fetch_site = "",
                                   .authorization = text, .cookie = text,
                                   .csrf = text, .role = ROLE_READ};
    must(gate_add_host(&g, "localhost") == 0);
    gate_check(&g, &r, &a);
    must(a.status == 401 || a.status == 403);
    if (auth_cookie(text, "s", value, sizeof(value)))
        must(strlen(value) > 0 && strstr(text, value) != NULL);
    const char *bearer = auth_bearer(text);
    must(bearer == NULL || *bearer != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_of(data, size);
    fuzz_head(text, size);
    fuzz_target(text);
    fuzz_gate(text);
    free(text);
    return 0;
}
