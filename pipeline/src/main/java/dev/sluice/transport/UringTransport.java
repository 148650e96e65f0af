// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.linux.Constants;
import dev.sluice.linux.IoUring;
import dev.sluice.linux.LinuxException;
import dev.sluice.linux.TcpSocket;
import dev.sluice.metrics.SendCounters;
import java.io.IOException;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * {@code uring}: IORING_OP_SEND_ZC from registered buffers. What is sent together is handed over with one call: the headers
 * and stretches are operations of one chain (IOSQE_IO_LINK), which is tried at once (MSG_DONTWAIT) and ends where the
 * socket is full, since an operation that took less than all (MSG_WAITALL) breaks it. So nothing waits in the kernel for
 * room, where what comes behind could overtake it.
 *
 * <p>Each send completes twice: when the socket has taken it, and when the kernel has let go of the pages.
 */
final class UringTransport extends ReferringTransport {

    /** Each may have two completions waiting. */
    private static final int MOST_UNDER_WAY = Rings.COMPLETIONS / 2;

    /** Of one operation, whose length has 32 bits. */
    private static final long MOST_BYTES = 1L << 30;

    private static final int FLAGS = Constants.MSG_DONTWAIT | Constants.MSG_WAITALL | Constants.MSG_NOSIGNAL;

    private final Rings.Ring ring;
    private final Rings rings;
    private final IoUring.Completions completions = this::completed;

    /** Not yet sent whole, by what the last {@link #send} said: whoever sends it will ask whether it is settled. */
    private @Nullable Transfer current;

    // Operations under way, by the number that they carry.
    private final @Nullable Transfer[] transfers = new Transfer[MOST_UNDER_WAY];
    private final int[] asked = new int[MOST_UNDER_WAY];
    private final int[] taken = new int[MOST_UNDER_WAY];
    private final boolean[] zerocopy = new boolean[MOST_UNDER_WAY];
    private final boolean[] copied = new boolean[MOST_UNDER_WAY];

    // The two completions come in any order.
    private final boolean[] answered = new boolean[MOST_UNDER_WAY];
    private final boolean[] letGo = new boolean[MOST_UNDER_WAY];

    /** What each carries: its place here, and which of the ring's operations it is. */
    private final long[] numbers = new long[MOST_UNDER_WAY];

    /** Operations that the kernel is done with, and that count as under way until they are reaped. */
    private final int[] done = new int[MOST_UNDER_WAY];

    private int doneCount;

    private final int[] free = new int[MOST_UNDER_WAY];
    private int freeCount = MOST_UNDER_WAY;

    /** Of those handed over last, how many the socket has not answered. */
    private int unanswered;

    /** A send failed for want of memory, which is not the end of the connection. */
    private boolean refused;

    /** The socket took less than it was asked to. */
    private boolean full;

    private int failure;
    private boolean aborted;

    UringTransport(
            TcpSocket socket,
            Rings.Ring ring,
            Rings rings,
            long mostUnderWay,
            Transports.Options options,
            SendCounters counters) {
        super(socket, mostUnderWay, options, counters);
        this.ring = ring;
        this.rings = rings;
        for (int i = 0; i < MOST_UNDER_WAY; i++) {
            free[i] = i;
        }
    }

    @Override
    public Progress send(Transfer transfer) throws IOException {
        current = transfer;
        Progress progress = sendMore(transfer);
        if (progress == Progress.SENT) {
            current = null;
        }
        return progress;
    }

    private Progress sendMore(Transfer transfer) throws IOException {
        ring.uring().reap(completions);
        while (true) {
            if (unanswered > 0) {
                return Progress.AWAIT_COMPLETION;
            }
            if (failure != 0) {
                throw new ConnectionLostException(failure);
            }
            if (transfer.leftBytes() == 0) {
                return Progress.SENT;
            }
            if (full) {
                full = false;
                return Progress.AWAIT_WRITABLE;
            }
            boolean again = refused;
            refused = false;
            if (again && outstanding() > doneCount) {
                return Progress.AWAIT_COMPLETION;
            }
            if (again || !isWorth(transfer)) {
                return super.send(transfer);
            }
            if (freeCount < ring.uring().entries() || !mayTakeMore()) {
                return Progress.AWAIT_COMPLETION;
            }
            submit(transfer);
            ring.uring().reap(completions);
        }
    }

    @Override
    long sendSome(Transfer transfer) {
        return sendPlainly(transfer);
    }

    private void submit(Transfer transfer) {
        IoUring uring = ring.uring();
        int elements = transfer.iovecCount();
        int count = Math.min(elements, uring.entries());
        int written = 0;
        for (int i = 0; i < count; i++) {
            long address = transfer.nextAddress(i);
            long bytes = Math.min(transfer.nextLength(i), MOST_BYTES);
            boolean cut = bytes < transfer.nextLength(i);
            boolean linked = i + 1 < count && !cut;
            int flags = FLAGS | (i + 1 < elements || cut ? Constants.MSG_MORE : 0);
            int slot = free[--freeCount];
            transfers[slot] = transfer;
            asked[slot] = (int) bytes;
            taken[slot] = 0;
            answered[slot] = false;
            letGo[slot] = false;
            numbers[slot] = ring.next() * MOST_UNDER_WAY + slot;
            copied[slot] = false;
            transfer.sendIssued();
            unanswered++;
            int buffer = ring.buffer(address, bytes);
            zerocopy[slot] = buffer >= 0;
            written++;
            if (buffer >= 0) {
                uring.sendZerocopy(fd(), address, (int) bytes, flags, buffer, linked, numbers[slot]);
            } else {
                uring.send(fd(), address, (int) bytes, flags, linked, numbers[slot]);
            }
            if (cut) {
                break;
            }
        }
        int result = uring.submit();
        boolean mayPass = switch (-result) {
            case Constants.EAGAIN, Constants.EBUSY, Constants.ENOMEM -> true;
            default -> result >= 0;
        };
        if (result < written) {
            takeBack(transfer, written - Math.max(0, result));
        }
        if (!mayPass) {
            failure = -result;
            rings.refuse("io_uring_enter has failed here: " + LinuxException.describe(failure));
        }
    }

    /** Of the operations written last, so many were not handed over. */
    private void takeBack(Transfer transfer, int operations) {
        for (int i = 0; i < operations; i++) {
            transfers[free[freeCount++]] = null;
            transfer.sendSettled();
        }
        unanswered -= operations;
        counters.noBuffers.add(1);
        refused = true;
    }

    private void completed(long userData, int result, int flags) {
        int slot = (int) userData & (MOST_UNDER_WAY - 1);
        Transfer transfer = transfers[slot];
        if (transfer == null || userData != numbers[slot]) {
            return; // of a send that was cancelled before it began, and whose place has been given away since
        }
        if ((flags & Constants.IORING_CQE_F_NOTIF) == 0) {
            unanswered--;
            answered(slot, transfer, result);
            answered[slot] = true;
            letGo[slot] |= (flags & Constants.IORING_CQE_F_MORE) == 0;
        } else if (letGo[slot]) {
            return; // what was cancelled with the one that it waited for is notified, though its answer was the last
        } else {
            copied[slot] = (result & Constants.IORING_NOTIF_USAGE_ZC_COPIED) != 0;
            letGo[slot] = true;
        }
        if (answered[slot] && letGo[slot]) {
            done[doneCount++] = slot;
        }
    }

    /** The socket has taken so much of it, or none. */
    private void answered(int slot, Transfer transfer, int result) {
        if (result > 0) {
            taken[slot] = result;
            full |= result < asked[slot];
            counters.sent.add(result);
            if (zerocopy[slot]) {
                referred(result);
            } else {
                counters.plain.add(result);
            }
            if (!aborted) {
                transfer.advance(result);
            }
            return;
        }
        switch (-result) {
            case 0, Constants.EAGAIN -> full = true;
            // Not begun, since the one before ended early: once more.
            case Constants.ECANCELED, Constants.EINTR -> {}
            case Constants.ENOBUFS, Constants.ENOMEM -> {
                counters.noBuffers.add(1);
                refused = true;
            }
            case Constants.EINVAL, Constants.EOPNOTSUPP, Constants.EFAULT -> {
                failure = -result;
                rings.refuse("this kernel's io_uring refuses to send the buffers by reference: "
                        + LinuxException.describe(failure));
            }
            default -> failure = -result;
        }
    }

    /** The kernel has let go of the memory. */
    private void settle(int slot, Consumer<Transfer> to) {
        Transfer transfer = Objects.requireNonNull(transfers[slot]);
        if (zerocopy[slot] && taken[slot] > 0) {
            released(taken[slot], 1, copied[slot]);
        }
        transfers[slot] = null;
        free[freeCount++] = slot;
        transfer.sendSettled();
        if (transfer.settled() && !transfer.equals(current)) {
            to.accept(transfer);
        }
    }

    @Override
    public void reap(Consumer<Transfer> to) throws IOException {
        if (aborted && outstanding() > 0) {
            ring.uring().pump(); // nobody waits for its descriptor any more
        }
        ring.uring().reap(completions);
        while (doneCount > 0) {
            settle(done[--doneCount], to);
        }
    }

    @Override
    public boolean holdsSettled() {
        return doneCount > 0;
    }

    @Override
    public int outstanding() {
        return MOST_UNDER_WAY - freeCount;
    }

    @Override
    public int completionFd() {
        return ring.uring().fd();
    }

    @Override
    public void abort() {
        aborted = true;
        current = null; // of which no more is sent here
        super.abort();
    }

    @Override
    void release() {
        if (outstanding() == 0) {
            rings.giveBack(ring);
        } else {
            ring.uring().close();
        }
    }
}
