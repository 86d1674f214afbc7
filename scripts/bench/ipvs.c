/* A stand-in for the kernel's IPVS, for machines without ip_vs.
 *
 * Built twice. As a library for LD_PRELOAD it gives a daemon, in place of a generic netlink socket, one end of a socket
 * pair, and answers on the other end what the kernel would: within the very system call, as the kernel does, so that no
 * second process takes part in what is measured. It keeps a table, so that who looks finds what was put there. Every
 * command that changes the table is noted with its time in a file that is mapped: a u64 count, then records of 16 bytes
 * (u64 nanoseconds, u8 command, u8 zero, u16 port, u32 address, the last two in network order).
 *
 * With -DSERVER it is the program that makes that file: ipvs SOCKET FILE. It waits until it is ended; that SOCKET exists
 * says that FILE is ready, and its name tells the library where the file is (the same path with .rec for .sock).
 *
 * What it does not have: statistics, the sync daemon, schedulers that could be missing.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_RECORDS (4u << 20)
#define RECORDS_SIZE (8 + (size_t)MAX_RECORDS * sizeof(struct record))

struct record { uint64_t ns; uint8_t command, zero; uint16_t port; uint32_t address; };

#ifdef SERVER

int main(int argc, char **argv)
{
	if (argc < 3) return 2;
	int records = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (records < 0 || ftruncate(records, RECORDS_SIZE)) return perror(argv[2]), 1;
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	strncpy(name.sun_path, argv[1], sizeof name.sun_path - 1);
	if (bind(s, (void *)&name, sizeof name)) return perror(argv[1]), 1;
	for (;;) pause();
}

#else

#define FAMILY 0x29
#define MAX_FDS 65536
#define BUCKETS (1 << 14)
/* include/uapi/linux/ip_vs.h */
enum { NEW_SERVICE = 1, SET_SERVICE, DEL_SERVICE, GET_SERVICE, NEW_DEST, SET_DEST, DEL_DEST, GET_DEST, GET_CONFIG = 12, SET_INFO = 14, GET_INFO = 15, FLUSH = 17 };
enum { ATTR_SERVICE = 1, ATTR_DEST = 2 };

static uint64_t *count;
static struct record *records;
static char out[65536];
static size_t filled;

/* The table. */
struct key { uint16_t family, protocol, port, zero; uint32_t mark; unsigned char address[16]; };
struct dest { unsigned char address[16]; uint16_t port; struct nlattr *text; };
struct service { struct key key; struct nlattr *text; struct dest *dest; int dests, room; struct service *next; };
static struct service *table[BUCKETS];

static struct nlattr *find(void *from, int length, int type)
{
	struct nlattr *a = from;
	while (length >= NLA_HDRLEN && a->nla_len >= NLA_HDRLEN && a->nla_len <= length) {
		if ((a->nla_type & NLA_TYPE_MASK) == type) return a;
		length -= NLA_ALIGN(a->nla_len);
		a = (void *)((char *)a + NLA_ALIGN(a->nla_len));
	}
	return NULL;
}

static struct nlattr *inside(struct nlattr *of, int type)
{
	return find((char *)of + NLA_HDRLEN, of->nla_len - NLA_HDRLEN, type);
}

static void fetch(struct nlattr *of, int type, void *to, int most)
{
	struct nlattr *a = inside(of, type);
	if (!a) return;
	int length = a->nla_len - NLA_HDRLEN;
	memcpy(to, (char *)a + NLA_HDRLEN, length < most ? length : most);
}

static struct nlattr *copy(struct nlattr *a)
{
	struct nlattr *c = malloc(NLA_ALIGN(a->nla_len));
	memcpy(c, a, a->nla_len);
	return c;
}

static struct service **place(const struct key *key)
{
	const unsigned char *byte = (const void *)key;
	unsigned hash = 5381;
	for (size_t i = 0; i < sizeof *key; i++) hash = hash * 33 + byte[i];
	return &table[hash % BUCKETS];
}

static struct service *service(struct nlattr *attr, int make)
{
	struct key key;
	memset(&key, 0, sizeof key);
	if (!attr) return NULL;
	fetch(attr, 1, &key.family, 2);
	fetch(attr, 2, &key.protocol, 2);
	fetch(attr, 3, key.address, 16);
	fetch(attr, 4, &key.port, 2);
	fetch(attr, 5, &key.mark, 4);
	struct service **first = place(&key);
	for (struct service *s = *first; s; s = s->next)
		if (!memcmp(&s->key, &key, sizeof key)) return s;
	if (!make) return NULL;
	struct service *s = calloc(1, sizeof *s);
	s->key = key;
	s->next = *first;
	return *first = s;
}

static void forget(struct service *s)
{
	struct service **at = place(&s->key);
	while (*at != s) at = &(*at)->next;
	*at = s->next;
	for (int i = 0; i < s->dests; i++) free(s->dest[i].text);
	free(s->dest);
	free(s->text);
	free(s);
}

static int change_dest(int command, struct service *s, struct nlattr *attr)
{
	unsigned char address[16] = { 0 };
	uint16_t port = 0;
	int i = 0;
	fetch(attr, 1, address, 16);
	fetch(attr, 2, &port, 2);
	while (i < s->dests && (s->dest[i].port != port || memcmp(s->dest[i].address, address, 16))) i++;
	if (command == NEW_DEST ? i < s->dests : i == s->dests) return command == NEW_DEST ? -EEXIST : -ENOENT;
	if (command == DEL_DEST) {
		free(s->dest[i].text);
		s->dest[i] = s->dest[--s->dests];
		return 0;
	}
	if (i == s->dests) {
		if (s->dests == s->room) s->dest = realloc(s->dest, (s->room = s->room * 2 + 8) * sizeof *s->dest);
		s->dest[s->dests++] = (struct dest){ .port = port };
		memcpy(s->dest[i].address, address, 16);
	}
	free(s->dest[i].text);
	s->dest[i].text = copy(attr);
	return 0;
}

static int change(int command, struct nlattr *of, struct nlattr *dest)
{
	if (command == FLUSH) {
		for (int i = 0; i < BUCKETS; i++)
			while (table[i]) forget(table[i]);
		return 0;
	}
	struct service *s = service(of, 0);
	switch (command) {
	case NEW_SERVICE:
		if (s) return -EEXIST;
		service(of, 1)->text = copy(of);
		return 0;
	case SET_SERVICE:
		if (!s) return -ESRCH;
		free(s->text);
		s->text = copy(of);
		return 0;
	case DEL_SERVICE:
		if (!s) return -ESRCH;
		forget(s);
		return 0;
	case NEW_DEST: case SET_DEST: case DEL_DEST:
		return !s ? -ESRCH : !dest ? -EINVAL : change_dest(command, s, dest);
	default:
		return 0;
	}
}

static void note(int command, struct nlattr *dest)
{
	if (*count >= MAX_RECORDS) return;
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	struct record *r = &records[*count];
	*r = (struct record){ .ns = t.tv_sec * 1000000000ull + t.tv_nsec, .command = command };
	if (dest) {
		fetch(dest, 1, &r->address, 4);
		fetch(dest, 2, &r->port, 2);
	}
	__sync_fetch_and_add(count, 1);
}

/* Answers. A datagram of the kernel holds at most a page or two; so do ours. */
static void flush(int fd)
{
	if (filled && write(fd, out, filled) < 0) perror("ipvs stand-in");
	filled = 0;
}

static struct nlmsghdr *begin(const struct nlmsghdr *to, int type, int flags)
{
	struct nlmsghdr *h = (void *)(out + filled);
	*h = (struct nlmsghdr){ .nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = to->nlmsg_seq, .nlmsg_pid = to->nlmsg_pid };
	return h;
}

static void add(struct nlmsghdr *h, const void *what, int length)
{
	memcpy((char *)h + h->nlmsg_len, what, length);
	memset((char *)h + h->nlmsg_len + length, 0, NLMSG_ALIGN(length) - length);
	h->nlmsg_len += NLMSG_ALIGN(length);
}

static void attribute(struct nlmsghdr *h, int type, const void *what, int length)
{
	struct nlattr a = { .nla_type = type, .nla_len = NLA_HDRLEN + length };
	add(h, &a, NLA_HDRLEN);
	add(h, what, length);
}

static void command_header(struct nlmsghdr *h, int command, int version)
{
	struct genlmsghdr g = { .cmd = command, .version = version };
	add(h, &g, GENL_HDRLEN);
}

static void tell(int fd, const struct nlmsghdr *to, int command, struct nlattr *text)
{
	if (filled > 15000) flush(fd);
	struct nlmsghdr *h = begin(to, FAMILY, NLM_F_MULTI);
	command_header(h, command, 1);
	add(h, text, text->nla_len);
	filled += h->nlmsg_len;
}

static void done(int fd, const struct nlmsghdr *to)
{
	struct nlmsghdr *h = begin(to, NLMSG_DONE, NLM_F_MULTI);
	int zero = 0;
	add(h, &zero, sizeof zero);
	filled += h->nlmsg_len;
	flush(fd);
}

static void family(const struct nlmsghdr *to, int multi)
{
	struct nlmsghdr *h = begin(to, GENL_ID_CTRL, multi ? NLM_F_MULTI : 0);
	uint16_t id = FAMILY;
	uint32_t version = 1, header = 0, attributes = 6;
	command_header(h, CTRL_CMD_NEWFAMILY, 2);
	attribute(h, CTRL_ATTR_FAMILY_NAME, "IPVS", 5);
	attribute(h, CTRL_ATTR_FAMILY_ID, &id, 2);
	attribute(h, CTRL_ATTR_VERSION, &version, 4);
	attribute(h, CTRL_ATTR_HDRSIZE, &header, 4);
	attribute(h, CTRL_ATTR_MAXATTR, &attributes, 4);
	filled += h->nlmsg_len;
}

static void info(const struct nlmsghdr *to)
{
	struct nlmsghdr *h = begin(to, FAMILY, 0);
	uint32_t version = 0x010201, size = 4096;
	command_header(h, SET_INFO, 1);
	attribute(h, 1, &version, 4);
	attribute(h, 2, &size, 4);
	filled += h->nlmsg_len;
}

static void dump(int fd, const struct nlmsghdr *to, int command, struct nlattr *of)
{
	struct service *s = service(of, 0);
	if (command == GET_SERVICE) {
		for (int i = 0; i < BUCKETS; i++)
			for (s = table[i]; s; s = s->next) tell(fd, to, NEW_SERVICE, s->text);
	} else if (command == GET_DEST && s) {
		for (int i = 0; i < s->dests; i++) tell(fd, to, NEW_DEST, s->dest[i].text);
	}
	done(fd, to);
}

/* One request. 0, or the error that is answered; 1 where a dump has been. */
static int request(int fd, struct nlmsghdr *q)
{
	struct genlmsghdr *g = NLMSG_DATA(q);
	void *body = (char *)g + GENL_HDRLEN;
	int length = (int)q->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN, all = (q->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	if (q->nlmsg_type == GENL_ID_CTRL) {
		struct nlattr *name = find(body, length, CTRL_ATTR_FAMILY_NAME);
		if (g->cmd != CTRL_CMD_GETFAMILY || (name && strcmp((char *)name + NLA_HDRLEN, "IPVS"))) return -ENOENT;
		family(q, all);
		if (all) return done(fd, q), 1;
		return 0;
	}
	if (q->nlmsg_type != FAMILY) return q->nlmsg_type >= NLMSG_MIN_TYPE ? -EOPNOTSUPP : 0;
	struct nlattr *of = find(body, length, ATTR_SERVICE), *dest = find(body, length, ATTR_DEST);
	if (all) return dump(fd, q, g->cmd, of), 1;
	if (g->cmd == GET_INFO) return info(q), 0;
	if (g->cmd == GET_CONFIG) return -ESRCH;
	note(g->cmd, dest);
	return change(g->cmd, of, dest);
}

static void answer(int fd, struct nlmsghdr *q)
{
	int error = request(fd, q);
	flush(fd); /* the kernel's answer and its acknowledgement are datagrams of their own */
	if (error < 0 || (error == 0 && q->nlmsg_flags & NLM_F_ACK)) {
		struct nlmsghdr *h = begin(q, NLMSG_ERROR, 0);
		struct nlmsgerr e = { .error = error, .msg = *q };
		add(h, &e, sizeof e);
		filled += h->nlmsg_len;
	}
	flush(fd);
}

/* What a daemon calls. */
#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); if (!real) real = dlsym(RTLD_NEXT, name)

static char *path; /* taken when loaded, whatever the daemon does to its environment */
static int peer[MAX_FDS]; /* the other end of a socket that stands for netlink, or 0 */

static void map_records(void)
{
	char name[4096];
	snprintf(name, sizeof name, "%.*s.rec", (int)strlen(path) - 5, path);
	int fd = open(name, O_RDWR | O_CLOEXEC);
	count = mmap(NULL, RECORDS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (count == MAP_FAILED) abort();
	records = (void *)(count + 1);
	close(fd);
}

/* When it is loaded, because a process may give up the right to open files to write. */
__attribute__((constructor)) static void loaded(void)
{
	char *p = getenv("FAKEIPVS");
	if (!p) return;
	path = strdup(p);
	map_records();
}

static int ours(int fd) { return (unsigned)fd < MAX_FDS && peer[fd]; }

static ssize_t serve(int fd, const struct iovec *part, size_t parts)
{
	static char all[1 << 21];
	size_t length = 0;
	for (size_t i = 0; i < parts; i++) {
		if (length + part[i].iov_len > sizeof all) return errno = EMSGSIZE, -1;
		memcpy(all + length, part[i].iov_base, part[i].iov_len);
		length += part[i].iov_len;
	}
	int left = length;
	for (struct nlmsghdr *h = (void *)all; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) answer(peer[fd], h);
	return length;
}

int socket(int domain, int type, int protocol)
{
	REAL(int, "socket", int, int, int);
	if (domain != AF_NETLINK || protocol != NETLINK_GENERIC || !path) return real(domain, type, protocol);
	int both[2], size = 64 << 20;
	int (*option)(int, int, int, const void *, socklen_t) = dlsym(RTLD_NEXT, "setsockopt");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, both)) return -1;
	if (both[0] >= MAX_FDS) abort();
	option(both[1], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
	if (type & SOCK_NONBLOCK) fcntl(both[0], F_SETFL, O_NONBLOCK);
	peer[both[0]] = both[1];
	return both[0];
}

int bind(int fd, const struct sockaddr *a, socklen_t n)
{
	REAL(int, "bind", int, const struct sockaddr *, socklen_t);
	return ours(fd) ? 0 : real(fd, a, n);
}

int connect(int fd, const struct sockaddr *a, socklen_t n)
{
	REAL(int, "connect", int, const struct sockaddr *, socklen_t);
	return ours(fd) ? 0 : real(fd, a, n);
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t n)
{
	REAL(int, "setsockopt", int, int, int, const void *, socklen_t);
	return ours(fd) && level == SOL_NETLINK ? 0 : real(fd, level, option, value, n);
}

static void netlink_name(void *to, socklen_t *room, uint32_t pid)
{
	struct sockaddr_nl name = { .nl_family = AF_NETLINK, .nl_pid = pid };
	if (!to || *room < sizeof name) return;
	memcpy(to, &name, sizeof name);
	*room = sizeof name;
}

int getsockname(int fd, struct sockaddr *a, socklen_t *n)
{
	REAL(int, "getsockname", int, struct sockaddr *, socklen_t *);
	if (!ours(fd)) return real(fd, a, n);
	netlink_name(a, n, getpid());
	return 0;
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	REAL(ssize_t, "sendmsg", int, const struct msghdr *, int);
	return ours(fd) ? serve(fd, m->msg_iov, m->msg_iovlen) : real(fd, m, flags);
}

ssize_t send(int fd, const void *b, size_t n, int flags)
{
	REAL(ssize_t, "send", int, const void *, size_t, int);
	return ours(fd) ? serve(fd, &(struct iovec){ (void *)b, n }, 1) : real(fd, b, n, flags);
}

ssize_t sendto(int fd, const void *b, size_t n, int flags, const struct sockaddr *a, socklen_t l)
{
	REAL(ssize_t, "sendto", int, const void *, size_t, int, const struct sockaddr *, socklen_t);
	return ours(fd) ? serve(fd, &(struct iovec){ (void *)b, n }, 1) : real(fd, b, n, flags, a, l);
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	REAL(ssize_t, "recvmsg", int, struct msghdr *, int);
	if (!ours(fd)) return real(fd, m, flags);
	void *name = m->msg_name;
	socklen_t room = m->msg_namelen;
	m->msg_name = NULL;
	m->msg_namelen = 0;
	ssize_t r = real(fd, m, flags);
	m->msg_name = name;
	m->msg_namelen = room;
	netlink_name(name, &m->msg_namelen, 0);
	return r;
}

ssize_t recvfrom(int fd, void *b, size_t n, int flags, struct sockaddr *a, socklen_t *l)
{
	REAL(ssize_t, "recvfrom", int, void *, size_t, int, struct sockaddr *, socklen_t *);
	if (!ours(fd)) return real(fd, b, n, flags, a, l);
	ssize_t r = real(fd, b, n, flags, NULL, NULL);
	if (l) netlink_name(a, l, 0);
	return r;
}

int close(int fd)
{
	REAL(int, "close", int);
	if (ours(fd)) {
		int other = peer[fd];
		peer[fd] = 0;
		real(other);
	}
	return real(fd);
}

#endif
