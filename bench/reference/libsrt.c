/* What libsrt needs to send one stream to many players: a listener that takes everybody, and sends to all the same bytes in
 * real time, in packets of seven times 188 bytes as they would come of a source, every TICK milliseconds.
 *
 *     libsrt PORT BITS_PER_SECOND TICK_MS SECONDS
 *
 * Debian has the library for srt-live-transmit; its headers are in another package, so what is used is declared here.
 */
#include <netinet/in.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int srt_startup(void);
int srt_create_socket(void);
int srt_bind(int socket, const struct sockaddr *address, int bytes);
int srt_listen(int socket, int backlog);
int srt_accept(int socket, struct sockaddr *address, int *bytes);
int srt_close(int socket);
int srt_setsockflag(int socket, int option, const void *value, int bytes);
int srt_sendmsg(int socket, const char *data, int bytes, int ttl, int in_order);
const char *srt_getlasterror_str(void);

enum { SRTO_SNDSYN = 1, PAYLOAD = 7 * 188, PACKET = 188, PLAYERS = 4096 };

static int players[PLAYERS], count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void fail(const char *what)
{
    fprintf(stderr, "libsrt: %s: %s\n", what, srt_getlasterror_str());
    exit(1);
}

static void *accept_all(void *listener)
{
    for (;;) {
        int player = srt_accept(*(int *)listener, NULL, NULL), no = 0;
        if (player < 0)
            return NULL;
        srt_setsockflag(player, SRTO_SNDSYN, &no, sizeof no);
        pthread_mutex_lock(&lock);
        if (count < PLAYERS)
            players[count++] = player;
        pthread_mutex_unlock(&lock);
    }
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return fprintf(stderr, "usage: libsrt PORT BITS_PER_SECOND TICK_MS SECONDS\n"), 2;
    double bytes_per_second = atof(argv[2]) / 8;
    long tick = atol(argv[3]) * 1000000, ticks = atol(argv[4]) * 1000 / atol(argv[3]);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char payload[PAYLOAD];
    memset(payload, 0xff, sizeof payload);
    for (int at = 0; at < PAYLOAD; at += PACKET)
        memcpy(payload + at, "\x47\x1f\xff\x10", 4); /* null packets: ISO/IEC 13818-1 2.4.3.2 */

    srt_startup();
    int listener = srt_create_socket();
    if (listener < 0 || srt_bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || srt_listen(listener, 512) < 0)
        fail("cannot listen");
    pthread_t accepting;
    pthread_create(&accepting, NULL, accept_all, &listener);
    puts("listening");
    fflush(stdout);

    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    double due = 0;
    for (long n = 0; n < ticks; n++) {
        at.tv_nsec += tick;
        at.tv_sec += at.tv_nsec / 1000000000;
        at.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
        pthread_mutex_lock(&lock);
        for (due += bytes_per_second * tick / 1e9; due >= PAYLOAD; due -= PAYLOAD)
            for (int i = 0; i < count; i++)
                if (srt_sendmsg(players[i], payload, PAYLOAD, -1, 1) < 0) {
                    srt_close(players[i]);
                    players[i--] = players[--count];
                }
        pthread_mutex_unlock(&lock);
    }
    return 0;
}
