/* SPDX-License-Identifier: MIT */
/* Every limit of the HTTP face, with its reason. */
#ifndef STINT_BROKER_HTTP_LIMITS_H
#define STINT_BROKER_HTTP_LIMITS_H

#define HTTP_HEAD_MAX     8192    /* bytes of a request's line and headers */
#define HTTP_TARGET_MAX   4000    /* bytes of path and query */
#define HTTP_SEGMENTS_MAX 8       /* of a path; ours have at most five */
#define HTTP_PAIRS_MAX    32      /* of a query */
#define HTTP_BODY_MAX     1048576 /* bytes of a JSON body */
#define HTTP_LINES_MAX    16777216 /* bytes of JSON lines */
#define HTTP_HELD_MAX     67108864 /* bytes of requests, all connections */
#define HTTP_NEXT_MAX     65536   /* bytes sent before the answer was read */
#define HTTP_CONNS_MAX    512     /* connections; over it they get a 503 */
#define HTTP_CONNS_SPARE  64      /* of those, so many at once */
#define HTTP_CALLS_MAX    500     /* requests under way: a fiber each */
#define HTTP_LONG_MAX     200     /* of these, such as wait */
#define HTTP_STREAMS_MAX  100     /* of server-sent events */
#define HTTP_STREAM_BYTES_MAX 1048576 /* not yet read by the client */
#define HTTP_LISTENS_MAX  16
#define HTTP_JSON_DEPTH   64      /* far over what a task may have */

#define HTTP_FIRST_MS     10000   /* from the connection to a request */
#define HTTP_IDLE_MS      60000   /* between two requests */
#define HTTP_REQUEST_MS   10000   /* to send a head, however it trickles */
#define HTTP_BYTES_PER_MS 256     /* and so many bytes of a body at least */
#define HTTP_WRITE_MS     60000   /* to read an answer */
#define HTTP_LINGER_MS    1000    /* to read why it was refused */
#define HTTP_STOP_MS      5000    /* for answers, when the broker stops */
#define HTTP_TICK_MS      250     /* how often all that is looked after */
#define HTTP_CALL_S       5       /* a call with its retries, see stint_options */

#endif
