// SPDX-License-Identifier: GPL-2.0
/*
 * Sends what a device delivers, as a program written by hand for the purpose does; the
 * pipeline is measured against it.
 *
 *	send DEVICE ADDRESS PORT METHOD MEGABYTES [BUFFER_BYTES BUFFERS]
 *
 * METHOD is how the bytes get to the socket, and when a buffer goes back:
 *	write		send(): at once, the kernel has a copy
 *	zerocopy	MSG_ZEROCOPY: when the kernel has notified every send of it
 *	buffered	the same with a send buffer that takes them, as the pipeline has one
 *	careless	MSG_ZEROCOPY: at once, which is wrong; the driver holds the buffer
 *			back, or the receiver gets other bytes
 *	uring		io_uring's SEND_ZC from registered buffers, with a send buffer that
 *			takes them: when the kernel has notified every send of it
 *	splice		vmsplice() and splice(), which never tell. Half a ring later, which
 *			is more than a send buffer holds; that is likely, not certain, and
 *			what makes it safe is the driver, which looks at the references of
 *			the pages first: the count of quarantines tells how often they were
 *			still there.
 *
 * Prints one line: what was sent, and the nanoseconds of processor time of this process
 * (user + system) and of all tasks of the machine, kernel threads included, per 10^9
 * bytes. Time that the idle task spends in interrupts is in neither. Where one
 * nanosecond is one instruction, these are instructions.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>
#include <linux/io_uring.h>
#include <linux/sluice.h>

#define BATCH		64
#define RING_ENTRIES	8U
#define RING_ANSWERS	4096U
#define SEND_BUFFER	(2U << 20) /* which the kernel doubles */
#define PIPE_BYTES	(1U << 20) /* the most that an unprivileged process may ask for */
#define IDS		(1U << 16) /* sends that can be under way: far more than optmem allows */

/* One buffer on its way. */
struct flight {
	uint32_t pending;	/* sends that were not notified */
	bool sent;		/* all of it was handed over */
};

static struct sluice_info info;
static uint8_t *memory;
static int device, sock, pipe_in, pipe_out;
static struct flight *flights;
static uint32_t *late, late_count;	/* buffers that splice holds back, oldest first */
static uint32_t buffer_of_id[IDS], next_id, unreaped;
static uint64_t copied_sends, plain_sends;
static bool careless, buffered;

static struct {
	int fd;
	uint32_t sq_mask, cq_mask;
	_Atomic uint32_t *sq_tail, *cq_head, *cq_tail;
	uint32_t *sq_array;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	int32_t answer;
	bool answered;
} ring;

static void die(const char *what)
{
	fprintf(stderr, "send: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void release(uint32_t buffer)
{
	if (write(device, &buffer, sizeof(buffer)) != sizeof(buffer))
		die("release");
}

static void release_when_done(uint32_t buffer)
{
	if (!flights[buffer].sent || flights[buffer].pending)
		return;
	flights[buffer].sent = false;
	release(buffer);
}

/* Notifications are ranges of sends, in any order. */
static void reap(void)
{
	while (unreaped) {
		char control[128];
		struct msghdr message = { .msg_control = control, .msg_controllen = sizeof(control) };
		struct sock_extended_err *error;
		struct cmsghdr *header;

		if (recvmsg(sock, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
			if (errno == EAGAIN)
				return;
			die("reap");
		}
		header = CMSG_FIRSTHDR(&message);
		if (!header || header->cmsg_level != SOL_IP || header->cmsg_type != IP_RECVERR)
			die("an unexpected message in the error queue");
		error = (void *)CMSG_DATA(header);
		if (error->ee_origin != SO_EE_ORIGIN_ZEROCOPY || error->ee_errno)
			die("an unexpected error in the error queue");
		for (uint32_t id = error->ee_info; ; id++) {
			uint32_t buffer = buffer_of_id[id % IDS];

			flights[buffer].pending--;
			unreaped--;
			copied_sends += !!(error->ee_code & SO_EE_CODE_ZEROCOPY_COPIED);
			release_when_done(buffer);
			if (id == error->ee_data)
				break;
		}
	}
}

static void wait_for(struct pollfd *fds, int count)
{
	while (poll(fds, count, -1) < 0)
		if (errno != EINTR)
			die("poll");
}

/* POLLERR, that is a notification, is reported whatever is asked for. */
static void wait_for_notification(void)
{
	struct pollfd fd = { .fd = sock };

	wait_for(&fd, 1);
	reap();
}

static void send_write(const struct sluice_frame *frame, const uint8_t *data)
{
	for (uint64_t done = 0; done < frame->bytes; ) {
		ssize_t ret = send(sock, data + done, frame->bytes - done, MSG_NOSIGNAL);

		if (ret < 0)
			die("send");
		done += ret;
	}
	release(frame->buffer);
}

static void send_zerocopy(const struct sluice_frame *frame, const uint8_t *data)
{
	for (uint64_t done = 0; done < frame->bytes; ) {
		ssize_t ret;

		if (unreaped == IDS) {
			wait_for_notification();
			continue;
		}
		ret = send(sock, data + done, frame->bytes - done, MSG_NOSIGNAL | MSG_ZEROCOPY);
		if (ret >= 0) {
			buffer_of_id[next_id++ % IDS] = frame->buffer;
			flights[frame->buffer].pending++;
			unreaped++;
		} else if (errno == ENOBUFS && unreaped) {
			wait_for_notification();
			continue;
		} else if (errno == ENOBUFS) {
			/* With nothing under way no notification will make room. */
			ret = send(sock, data + done, frame->bytes - done, MSG_NOSIGNAL);
			plain_sends++;
		}
		if (ret < 0)
			die("send");
		done += ret;
	}
	if (careless) {
		release(frame->buffer);
	} else {
		flights[frame->buffer].sent = true;
		release_when_done(frame->buffer);
	}
	reap();
}

static void send_splice(const struct sluice_frame *frame, const uint8_t *data)
{
	for (uint64_t done = 0; done < frame->bytes; ) {
		struct iovec part = { (void *)(data + done), frame->bytes - done };
		ssize_t queued = vmsplice(pipe_in, &part, 1, 0);

		/* A full pipe would make it wait for a reader, and that is this thread. */
		if (queued <= 0)
			die("vmsplice");
		done += queued;
		while (queued) {
			ssize_t ret = splice(pipe_out, NULL, sock, NULL, queued,
					     done < frame->bytes ? SPLICE_F_MORE : 0);

			if (ret <= 0)
				die("splice");
			queued -= ret;
		}
	}
	late[late_count++] = frame->buffer;
	if (late_count > info.buffer_count / 2) {
		release(late[0]);
		memmove(late, late + 1, --late_count * sizeof(*late));
	}
}

static void grow_send_buffer(void)
{
	int bytes = SEND_BUFFER;

	if (setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
		die("SO_SNDBUFFORCE");
}

static void ring_open(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_CQSIZE, /* with DEFER_TASKRUN no notification would wake poll() */
		.cq_entries = RING_ANSWERS,
	};
	struct iovec buffers = { memory, info.buffer_bytes * info.buffer_count };
	size_t size;
	uint8_t *base;

	ring.fd = syscall(__NR_io_uring_setup, RING_ENTRIES, &params);
	if (ring.fd < 0)
		die("io_uring_setup");
	size = params.cq_off.cqes + params.cq_entries * sizeof(*ring.cqes);
	base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQ_RING);
	ring.sqes = mmap(NULL, params.sq_entries * sizeof(*ring.sqes), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQES);
	if (base == MAP_FAILED || ring.sqes == MAP_FAILED)
		die("mmap of the rings");
	ring.sq_tail = (void *)(base + params.sq_off.tail);
	ring.sq_mask = *(uint32_t *)(base + params.sq_off.ring_mask);
	ring.sq_array = (void *)(base + params.sq_off.array);
	ring.cq_head = (void *)(base + params.cq_off.head);
	ring.cq_tail = (void *)(base + params.cq_off.tail);
	ring.cq_mask = *(uint32_t *)(base + params.cq_off.ring_mask);
	ring.cqes = (void *)(base + params.cq_off.cqes);
	if (syscall(__NR_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS, &buffers, 1) < 0)
		die("registering the buffers with io_uring (Linux 6.12 can)");
	grow_send_buffer();
}

/* Hands over what was written, waits for so many answers, and takes all there are. */
static void ring_enter(unsigned int submitted, unsigned int answers)
{
	uint32_t head = atomic_load_explicit(ring.cq_head, memory_order_relaxed);

	while (syscall(__NR_io_uring_enter, ring.fd, submitted, answers, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		if (errno != EINTR)
			die("io_uring_enter");
	while (head != atomic_load_explicit(ring.cq_tail, memory_order_acquire)) {
		struct io_uring_cqe *cqe = &ring.cqes[head++ & ring.cq_mask];
		uint32_t buffer = cqe->user_data;

		if (cqe->flags & IORING_CQE_F_NOTIF) {
			copied_sends += !!((uint32_t)cqe->res & IORING_NOTIF_USAGE_ZC_COPIED);
			flights[buffer].pending--;
			unreaped--;
			release_when_done(buffer);
			continue;
		}
		ring.answered = true;
		ring.answer = cqe->res;
		if (cqe->flags & IORING_CQE_F_MORE) {
			flights[buffer].pending++;
			unreaped++;
		}
	}
	atomic_store_explicit(ring.cq_head, head, memory_order_release);
}

/* One send at a time, so that the stream keeps its order. */
static void send_uring(const struct sluice_frame *frame, const uint8_t *data)
{
	for (uint64_t done = 0; done < frame->bytes; done += ring.answer) {
		uint32_t tail = atomic_load_explicit(ring.sq_tail, memory_order_relaxed);

		ring.sqes[tail & ring.sq_mask] = (struct io_uring_sqe){
			.opcode = IORING_OP_SEND_ZC,
			.ioprio = IORING_RECVSEND_FIXED_BUF | IORING_SEND_ZC_REPORT_USAGE,
			.fd = sock,
			.addr = (uintptr_t)(data + done),
			.len = frame->bytes - done,
			.msg_flags = MSG_WAITALL | MSG_NOSIGNAL,
			.user_data = frame->buffer,
		};
		ring.sq_array[tail & ring.sq_mask] = tail & ring.sq_mask;
		atomic_store_explicit(ring.sq_tail, tail + 1, memory_order_release);
		ring.answered = false;
		next_id++;
		ring_enter(1, 1);
		while (!ring.answered)
			ring_enter(0, 1);
		if (ring.answer <= 0) {
			errno = -ring.answer;
			die("SEND_ZC");
		}
	}
	flights[frame->buffer].sent = true;
	release_when_done(frame->buffer);
}

static int connect_to(const char *address, int port)
{
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* Pinned, for the ranking of the methods changes with it. */
	if (fd < 0 || inet_pton(AF_INET, address, &peer.sin_addr) != 1 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) ||
	    connect(fd, (struct sockaddr *)&peer, sizeof(peer)))
		die("connect");
	return fd;
}

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

static uint64_t process_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * UINT64_C(1000000000) +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * UINT64_C(1000);
}

/* What all tasks but the idle ones ran: the seventh number of each processor. */
static uint64_t machine_ns(void)
{
	FILE *file = fopen("/proc/schedstat", "r");
	uint64_t total = 0, run;
	char line[512];

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "cpu%*d %*u %*u %*u %*u %*u %*u %" SCNu64, &run) == 1)
			total += run;
	fclose(file);
	return total;
}

int main(int argc, char **argv)
{
	void (*transfer)(const struct sluice_frame *frame, const uint8_t *data);
	uint64_t sent = 0, lost = 0, wanted, process, machine, started;
	struct sluice_config config = { 0 };
	struct sluice_counts counts;
	int ends[2], one = 1;

	if (argc != 6 && argc != 8) {
		fprintf(stderr, "usage: send DEVICE ADDRESS PORT write|zerocopy|buffered|careless|uring|splice MEGABYTES [BUFFER_BYTES BUFFERS]\n");
		return 64;
	}
	if (!strcmp(argv[4], "write"))
		transfer = send_write;
	else if (!strcmp(argv[4], "zerocopy") || (buffered = !strcmp(argv[4], "buffered")) ||
		 (careless = !strcmp(argv[4], "careless")))
		transfer = send_zerocopy;
	else if (!strcmp(argv[4], "uring"))
		transfer = send_uring;
	else if (!strcmp(argv[4], "splice"))
		transfer = send_splice;
	else
		return fprintf(stderr, "send: no method is called %s\n", argv[4]), 64;
	wanted = strtoull(argv[5], NULL, 10) * 1000000;
	config.buffer_bytes = argc == 8 ? strtoull(argv[6], NULL, 10) : 1 << 20;
	config.buffer_count = argc == 8 ? strtoul(argv[7], NULL, 10) : 32;

	device = open(argv[1], O_RDWR | O_CLOEXEC);
	if (device < 0 || ioctl(device, SLUICE_CONFIGURE, &config) || ioctl(device, SLUICE_INFO, &info))
		die(argv[1]);
	memory = mmap(NULL, info.buffer_bytes * info.buffer_count, PROT_READ | PROT_WRITE, MAP_SHARED,
		      device, 0);
	flights = calloc(info.buffer_count, sizeof(*flights));
	late = calloc(info.buffer_count + 1, sizeof(*late));
	if (memory == MAP_FAILED || !flights || !late)
		die("memory");
	sock = connect_to(argv[2], atoi(argv[3]));
	if (transfer == send_zerocopy && setsockopt(sock, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)))
		die("SO_ZEROCOPY");
	if (buffered)
		grow_send_buffer();
	if (transfer == send_uring)
		ring_open();
	if (pipe2(ends, O_CLOEXEC) || fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES) < 0)
		die("pipe");
	pipe_out = ends[0];
	pipe_in = ends[1];

	if (ioctl(device, SLUICE_START))
		die("start");
	started = clock_ns();
	process = process_ns();
	machine = machine_ns();
	while (sent < wanted) {
		struct sluice_frame frames[BATCH];
		ssize_t ret;

		/* While the ring is all under way, a notification is what makes a frame come. */
		if (unreaped) {
			struct pollfd fds[] = { { .fd = device, .events = POLLIN }, { .fd = sock } };

			if (transfer == send_uring)
				fds[1] = (struct pollfd){ .fd = ring.fd, .events = POLLIN };
			wait_for(fds, 2);
			if (transfer == send_uring)
				ring_enter(0, 0);
			else
				reap();
			if (!(fds[0].revents & POLLIN))
				continue;
		}
		ret = read(device, frames, sizeof(frames));
		if (ret < (ssize_t)sizeof(*frames))
			die("read");
		for (unsigned int i = 0; i < ret / sizeof(*frames); i++) {
			lost += frames[i].lost;
			transfer(&frames[i], memory + frames[i].buffer * info.buffer_bytes);
			sent += frames[i].bytes;
		}
	}
	while (unreaped && transfer == send_uring)
		ring_enter(0, 1);
	while (unreaped)
		wait_for_notification();
	/* Its end of the connection tells that the receiver has read it all. */
	shutdown(sock, SHUT_WR);
	while (read(sock, ends, sizeof(ends)) > 0)
		;
	process = process_ns() - process;
	machine = machine_ns() - machine;
	started = clock_ns() - started;
	if (ioctl(device, SLUICE_COUNTS, &counts))
		die("counts");
	printf("method=%s bytes=%" PRIu64 " process_per_gb=%" PRIu64 " tasks_per_gb=%" PRIu64
	       " elapsed_ns=%" PRIu64 " sends=%" PRIu32 " copied=%" PRIu64 " plain=%" PRIu64
	       " quarantines=%" PRIu64 " lost=%" PRIu64 "\n", argv[4], sent,
	       (uint64_t)((double)process * 1e9 / sent), (uint64_t)((double)machine * 1e9 / sent),
	       started, next_id, copied_sends, plain_sends,
	       (uint64_t)counts.quarantines, lost);
	return 0;
}
