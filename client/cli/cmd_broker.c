/* SPDX-License-Identifier: MIT */
/* stint broker: the dashboard, the interface for programs, the metrics. */
#include "cli.h"

#include "broker.h"
#include "log_print.h"

const char cmd_broker_usage[] =
    "usage: stint broker [options]\n\n"
    "  --listen ADDRESS:PORT  listen there; again for more; port 0: any that\n"
    "                    is free (127.0.0.1:7420)\n"
    "  --config FILE     the configuration, a JSON file\n"
    "  --users-file FILE  NAME:HASH:ROLE a line; read again at SIGHUP\n"
    "  --token-file FILE  TOKEN ROLE a line; read again at SIGHUP\n"
    "  --tls-certificate FILE  speak TLS: the certificate with its chain,\n"
    "                    PEM\n"
    "  --tls-key FILE    its key, PEM\n"
    "  --allow-host HOST  a name under which it is reached; again for more\n"
    "  --hide NAME       hide fields of this name in args, vars and results;\n"
    "                    again for more\n"
    "  --log text|json   the form of its log, on stderr (text)\n"
    "  --log-level error|warn|info|debug\n"
    "                    what it logs (info); debug: every request, too\n\n"
    "Prints the address. Without users and tokens everybody who reaches it\n"
    "may do everything: so it listens beyond loopback with them only.\n"
    "SIGTERM or SIGINT: it finishes what it answers, for at most 5 s.\n";

static void address_print(const char *url, void *arg)
{
    (void)arg;
    printf("%s\n", url);
    fflush(stdout);
}

static int broker_serve(const struct command *c, const struct common *common,
                        struct broker_options *o, const char *form,
                        const char *level)
{
    struct stint_err err = {0};
    struct log_print how = {.most = log_level_find(level)};
    if (common->words.n)
        return usage_fail(c, "unexpected word %s", common->words.at[0]);
    if (how.most < 0)
        return usage_fail(c, "--log-level: no such level: %s", level);
    if (log_form_find(form, &how.is_json) < 0)
        return usage_fail(c, "--log: must be text or json");
    o->url = common->url;
    o->name_space = common->name_space;
    o->log = log_print;
    o->log_arg = &how;
    o->listening = address_print;
    return broker_run(o, &err) ? error_print(&err) : EXIT_DONE;
}

int cmd_broker_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    struct broker_options o = {0};
    struct words listen = {0}, hosts = {0}, hide = {0};
    const char *level = "info", *form = "text";
    const struct option_row rows[] = {
        {"listen", OPTION_WORDS, &listen},
        {"config", OPTION_TEXT, &o.config_path},
        {"users-file", OPTION_TEXT, &o.users_path},
        {"token-file", OPTION_TEXT, &o.tokens_path},
        {"tls-certificate", OPTION_TEXT, &o.certificate_path},
        {"tls-key", OPTION_TEXT, &o.key_path},
        {"allow-host", OPTION_WORDS, &hosts},
        {"hide", OPTION_WORDS, &hide},
        {"log", OPTION_TEXT, &form},
        {"log-level", OPTION_TEXT, &level},
    };
    int status = options_parse(c, rows, sizeof rows / sizeof *rows, &common,
                               argc, argv);
    if (status < 0) {
        o.listen = listen.at;
        o.n_listen = listen.n;
        o.allow_hosts = hosts.at;
        o.n_allow_hosts = hosts.n;
        o.hide = hide.at;
        o.n_hide = hide.n;
        status = broker_serve(c, &common, &o, form, level);
    }
    words_free(&listen);
    words_free(&hosts);
    words_free(&hide);
    words_free(&common.words);
    return status;
}
