/* SPDX-License-Identifier: MIT */
/* URLs of Redis. No password is ever shown. */
#include "fuzz.h"

#include "conf.h"

/* Does the password's text stand elsewhere in the URL, too, where it may be
 * shown? One that was decoded need not stand there at all. */
static int is_elsewhere(const char *url, const char *password)
{
    const char *first = strstr(url, password);
    return first != NULL &&
           (strchr(url, '%') != NULL || strstr(first + 1, password) != NULL);
}

/* Where it is, as it is shown: names are decoded, ports are numbers. */
static int is_address(const char *host, int port, const char *password)
{
    char shown[300];
    snprintf(shown, sizeof(shown), "%s:%d", host, port);
    return strstr(shown, password) != NULL;
}

static int is_of_node(const struct conf *c, const char *password)
{
    for (int i = 0; i < c->n_nodes + c->n_sentinels; i++)
        if (is_address(c->nodes[i].host, c->nodes[i].port, password))
            return 1;
    return is_address(c->host, c->port, password);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stint_err err = {0};
    struct conf c;
    char *url = text_of(data, size);
    if (conf_parse_url(&c, url, &err)) {
        must(err.code == STINT_INVALID && err.text[0] != '\0');
    } else {
        must(c.n_nodes >= 0 && c.n_nodes <= CONF_NODES_MAX);
        must((c.host[0] != '\0') != (c.path[0] != '\0'));
        must(c.db >= 0);
        must(c.path[0] != '\0' || (c.port > 0 && c.port < 65536));
        must(memchr(c.shown, '\0', sizeof(c.shown)) != NULL);
        for (int i = 0; i < c.n_nodes; i++) {
            struct conf one;
            conf_of_node(&one, &c, &c.nodes[i]);
            must(one.n_nodes == 0 && one.host[0] != '\0');
        }
        /* A long one cannot stand there by chance. */
        if (strlen(c.password) > 12 && strlen(url) < 300 &&
            !is_elsewhere(url, c.password) &&
            strstr(c.path, c.password) == NULL &&
            strstr(c.master, c.password) == NULL &&
            !is_of_node(&c, c.password) && strstr(c.user, c.password) == NULL)
            must(strstr(c.shown, c.password) == NULL);
    }
    free(url);
    return 0;
}
