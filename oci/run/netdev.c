/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.netDevices: interfaces of the host that become the container's.
 *
 * Two rtnetlink sockets, one in each network namespace. The kernel keeps what
 * belongs to the device (MTU, MAC address), drops its addresses and takes it
 * down; the permanent addresses of global scope are given back, then it is up.
 * The last thing before an interface moves is the check that its name is free
 * there: a rename that failed would leave it behind under its old one.
 *
 * Source: runtime-spec 1.3, config-linux.md, "Network Devices"; rtnetlink(7).
 */
#include "netdev.h"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <kshim/fd.h>

#define TRIES	    10	/* at a list that changes while it is read */
#define MAX_ADDRS   256 /* of one device */
#define MAX_DEVICES 4096

/* One request, in the kernel's layout. */
struct request {
	struct nlmsghdr h;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
	};
	char attrs[512];
};

struct address {
	struct ifaddrmsg head;
	char attrs[256]; /* those that are given back, as they came */
	size_t len;
};

static struct request request(uint16_t type, uint16_t flags, size_t body)
{
	return (struct request){ .h = { .nlmsg_len = (uint32_t)NLMSG_LENGTH(body),
					.nlmsg_type = type,
					.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
					.nlmsg_seq = 1 } };
}

/* Attributes are few and short: the room is known to suffice. */
static void put_attr(struct request *q, unsigned short type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)(void *)((char *)q + NLMSG_ALIGN(q->h.nlmsg_len));

	*a = (struct rtattr){ .rta_len = (unsigned short)RTA_LENGTH(len), .rta_type = type };
	memcpy(RTA_DATA(a), data, len);
	q->h.nlmsg_len = (uint32_t)(NLMSG_ALIGN(q->h.nlmsg_len) + RTA_ALIGN(a->rta_len));
}

/* The end of a list can tell that it is none; 0, -EAGAIN when it changed meanwhile, -errno. */
static int end_of_dump(const struct nlmsghdr *h, bool interrupted)
{
	int error = 0;

	if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(error)))
		memcpy(&error, NLMSG_DATA(h), sizeof(error));
	return error < 0 ? error : interrupted ? -EAGAIN : 0;
}

static int error_of(const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = NLMSG_DATA(h);

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
		return -EPROTO;
	return e->error > 0 ? -EPROTO : e->error;
}

static size_t body_size(const struct nlmsghdr *h)
{
	return h->nlmsg_type == RTM_NEWADDR ? sizeof(struct ifaddrmsg) : sizeof(struct ifinfomsg);
}

typedef int message_fn(void *data, const struct nlmsghdr *h);

/* Sends and reads to the end of the answer; 0, what @fn gave when not 0, or -errno of the kernel.
 */
static int talk(int sock, const struct request *q, message_fn *fn, void *data)
{
	/* The largest part that the kernel sends; not on the stack, which is small. */
	static char buf[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
	bool interrupted = false;

	if (send(sock, q, q->h.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(sock, buf, sizeof(buf), MSG_TRUNC, (struct sockaddr *)&from,
				     &from_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? (errno == EAGAIN ? -ETIMEDOUT : -errno) : -EIO;
		/* Who owns the network namespace may send to this socket; only the kernel counts.
		 */
		if (from.nl_pid != 0)
			continue;
		if (n > (ssize_t)sizeof(buf))
			return -EMSGSIZE;
		int left = (int)n; /* signed: the macros take off more than an unaligned end has */

		for (const struct nlmsghdr *h = (const void *)buf; NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_seq != q->h.nlmsg_seq)
				continue;
			interrupted |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
			if (h->nlmsg_type == NLMSG_DONE)
				return end_of_dump(h, interrupted);
			if (h->nlmsg_type == NLMSG_ERROR)
				return error_of(h);
			if (h->nlmsg_len < NLMSG_LENGTH(body_size(h)))
				return -EPROTO;
			int r = fn ? fn(data, h) : 0;

			/* A single answer without an acknowledgement behind it. */
			if (r < 0 || !(q->h.nlmsg_flags & (NLM_F_DUMP | NLM_F_ACK)))
				return r;
		}
	}
}

struct wanted {
	const char *name; /* NULL: whatever the kernel found */
	int index;
};

/* The kernel finds alternative names too; those are not what is asked for. */
static int take_index(void *data, const struct nlmsghdr *h)
{
	struct wanted *w = data;
	const struct ifinfomsg *m = NLMSG_DATA(h);
	int left = (int)IFLA_PAYLOAD(h);

	if (h->nlmsg_type != RTM_NEWLINK)
		return 0;
	for (const struct rtattr *t = IFLA_RTA(m); RTA_OK(t, left); t = RTA_NEXT(t, left))
		if (t->rta_type == IFLA_IFNAME &&
		    (!w->name || !strncmp(RTA_DATA(t), w->name, RTA_PAYLOAD(t))))
			w->index = m->ifi_index;
	return 0;
}

static int ask(int sock, const char *name, struct wanted *w)
{
	struct request q = request(RTM_GETLINK, 0, sizeof(q.link));

	put_attr(&q, IFLA_IFNAME, name, strlen(name) + 1);
	int r = talk(sock, &q, take_index, w);

	return r == 0 && !w->index ? -ENODEV : r;
}

static int find_link(int sock, const char *name, int *ret)
{
	struct wanted w = { .name = name };
	int r = ask(sock, name, &w);

	*ret = w.index;
	return r;
}

/* Also by an alternative name, which is taken as well. */
static int find_any_link(int sock, const char *name, int *ret)
{
	struct wanted w = { .name = NULL };
	int r = ask(sock, name, &w);

	*ret = w.index;
	return r;
}

struct links {
	int v[MAX_DEVICES];
	size_t n;
};

static int take_link(void *data, const struct nlmsghdr *h)
{
	struct links *l = data;

	if (h->nlmsg_type != RTM_NEWLINK)
		return 0;
	if (l->n == MAX_DEVICES)
		return -E2BIG;
	l->v[l->n++] = ((const struct ifinfomsg *)NLMSG_DATA(h))->ifi_index;
	return 0;
}

static int list_links(int sock, struct links *ret)
{
	struct request q = request(RTM_GETLINK, NLM_F_DUMP, sizeof(q.link));

	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < TRIES; i++) {
		ret->n = 0;
		r = talk(sock, &q, take_link, ret);
	}
	return r;
}

/* The one that was not there before: a name that the kernel made is not known otherwise. */
static int find_new_link(int sock, const struct links *before, struct links *after, int *ret)
{
	int r = list_links(sock, after);

	for (size_t i = 0; r == 0 && i < after->n; i++) {
		bool known = false;

		for (size_t k = 0; k < before->n; k++)
			known |= before->v[k] == after->v[i];
		if (!known) {
			*ret = after->v[i];
			return 0;
		}
	}
	return r < 0 ? r : -ENODEV;
}

struct addresses {
	int index;
	struct address v[MAX_ADDRS];
	size_t n;
};

static int take_address(void *data, const struct nlmsghdr *h)
{
	struct addresses *l = data;
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	uint32_t flags = m->ifa_flags;

	if (h->nlmsg_type != RTM_NEWADDR || (int)m->ifa_index != l->index)
		return 0;
	struct address a = { .head = *m };
	int left = (int)IFA_PAYLOAD(h);

	for (const struct rtattr *t = IFA_RTA(m); RTA_OK(t, left); t = RTA_NEXT(t, left)) {
		size_t len = RTA_ALIGN(t->rta_len);

		if (t->rta_type == IFA_FLAGS && RTA_PAYLOAD(t) == sizeof(flags))
			memcpy(&flags, RTA_DATA(t), sizeof(flags));
		/* Not the label, which names the device, nor lifetimes: it is permanent. */
		if (t->rta_type != IFA_ADDRESS && t->rta_type != IFA_LOCAL &&
		    t->rta_type != IFA_BROADCAST && t->rta_type != IFA_RT_PRIORITY)
			continue;
		if (a.len + len > sizeof(a.attrs))
			return -E2BIG;
		memcpy(a.attrs + a.len, t, t->rta_len);
		a.len += len;
	}
	if (!(flags & IFA_F_PERMANENT) || m->ifa_scope != RT_SCOPE_UNIVERSE)
		return 0;
	if (l->n == MAX_ADDRS)
		return -E2BIG;
	a.head.ifa_flags = (uint8_t)(flags & (IFA_F_NODAD | IFA_F_HOMEADDRESS));
	l->v[l->n++] = a;
	return 0;
}

static int list_addresses(int sock, int index, struct addresses *ret)
{
	struct request q = request(RTM_GETADDR, NLM_F_DUMP, sizeof(q.addr));

	int r = -EAGAIN;

	ret->index = index;
	for (int i = 0; r == -EAGAIN && i < TRIES; i++) {
		ret->n = 0;
		r = talk(sock, &q, take_address, ret);
	}
	return r;
}

static int give_addresses(int sock, int index, const struct addresses *l)
{
	int r = 0;

	for (size_t i = 0; i < l->n && r == 0; i++) {
		struct request q =
			request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, sizeof(q.addr));

		q.addr = l->v[i].head;
		q.addr.ifa_index = (uint32_t)index;
		memcpy((char *)&q + q.h.nlmsg_len, l->v[i].attrs, l->v[i].len);
		q.h.nlmsg_len += (uint32_t)l->v[i].len;
		r = talk(sock, &q, NULL, NULL);
		r = r == -EEXIST ? 0 : r;
	}
	return r;
}

static int send_link(int sock, int index, const char *name, int target_ns)
{
	struct request q = request(RTM_NEWLINK, NLM_F_ACK, sizeof(q.link));
	uint32_t ns = (uint32_t)target_ns;

	q.link.ifi_index = index;
	put_attr(&q, IFLA_NET_NS_FD, &ns, sizeof(ns));
	put_attr(&q, IFLA_IFNAME, name, strlen(name) + 1);
	return talk(sock, &q, NULL, NULL);
}

static int set_up(int sock, int index)
{
	struct request q = request(RTM_NEWLINK, NLM_F_ACK, sizeof(q.link));

	q.link.ifi_index = index;
	q.link.ifi_flags = IFF_UP;
	q.link.ifi_change = IFF_UP;
	return talk(sock, &q, NULL, NULL);
}

static int open_socket(struct ks_err *err)
{
	const struct timeval patience = { .tv_sec = 10 };
	ks_auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return ks_err_set(err, -errno, "make a netlink socket");
	return KS_TAKE_FD(fd);
}

/* A socket belongs to the namespace that its maker was in. */
static int open_socket_in(int ns, struct ks_err *err)
{
	ks_auto_fd int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (own < 0 || setns(ns, CLONE_NEWNET) < 0)
		return ks_err_set(err, -errno, "enter the container's network namespace");
	int fd = open_socket(err);

	if (setns(own, CLONE_NEWNET) < 0) {
		ks_fd_close(fd);
		return ks_err_set(err, -errno, "return to the own network namespace");
	}
	return fd;
}

struct mover {
	int host, container; /* sockets */
	int ns;
	struct links before, after;
	struct addresses addresses;
};

/* All that can be known before anything moves. */
static int check(struct mover *m, const struct ks_spec_net_device *d, int *ret, struct ks_err *err)
{
	const char *name = ks_str_empty(d->name) ? d->host_name : d->name;
	int taken;
	int r = find_link(m->host, d->host_name, ret);

	if (r < 0)
		return ks_err_set(err, r, "look for the network device %s", d->host_name);
	r = list_addresses(m->host, *ret, &m->addresses);
	if (r < 0)
		return ks_err_set(err, r, "read the addresses of network device %s", d->host_name);
	r = strchr(name, '%') ? -ENODEV : find_any_link(m->container, name, &taken);
	if (r == 0)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "the container has a network device %s already", name);
	return r == -ENODEV ? 0 : ks_err_set(err, r, "look at the container's network devices");
}

static int move(struct mover *m, const struct ks_spec_net_device *d, struct ks_err *err)
{
	const char *name = ks_str_empty(d->name) ? d->host_name : d->name;
	bool pattern = strchr(name, '%');
	int index, moved;
	int r = check(m, d, &index, err);

	if (r < 0)
		return r;
	r = pattern ? list_links(m->container, &m->before) : 0;
	if (r == 0)
		r = send_link(m->host, index, name, m->ns);
	if (r < 0)
		return ks_err_set(err, r, "move network device %s into the container",
				  d->host_name);
	r = pattern ? find_new_link(m->container, &m->before, &m->after, &moved) :
		      find_link(m->container, name, &moved);
	if (r < 0)
		return ks_err_set(err, r, "find network device %s in the container", name);
	r = give_addresses(m->container, moved, &m->addresses);
	if (r < 0)
		return ks_err_set(err, r, "give network device %s its addresses back", name);
	r = set_up(m->container, moved);
	return r < 0 ? ks_err_set(err, r, "set network device %s up", name) : 0;
}

int ks_netdev_move(struct ks_arena *a, const struct ks_list *devices, int ns, struct ks_err *err)
{
	const struct ks_spec_net_device *v = devices->v;

	if (!devices->n)
		return 0;
	struct mover *m = KS_ARENA_NEW(a, struct mover);

	if (!m)
		return ks_err_oom(err);
	ks_auto_fd int host = open_socket(err);
	ks_auto_fd int container = host < 0 ? -EBADF : open_socket_in(ns, err);
	int r = host < 0 ? host : container < 0 ? container : 0;

	m->host = host;
	m->container = container;
	m->ns = ns;
	for (size_t i = 0; i < devices->n && r == 0; i++)
		r = check(m, &v[i], &(int){ 0 }, err);
	for (size_t i = 0; i < devices->n && r == 0; i++)
		r = move(m, &v[i], err);
	return r < 0 ? ks_err_prefix(err, r, "linux.netDevices") : 0;
}
