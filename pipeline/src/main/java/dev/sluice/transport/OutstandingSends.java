// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The zero-copy sends of one socket that the kernel has not let go of, by the id that the kernel gave each.
 *
 * <p>The kernel numbers the successful MSG_ZEROCOPY calls of a socket from 0, 32 bits, wrapping; a partial send takes an
 * id of its own. It notifies inclusive ranges of ids, which it merges and which arrive in any order. So every id is
 * settled by itself: tracking only the highest one would free memory that is still being read.
 *
 * <p>Kept as a ring: ids from {@code oldest} to {@code next} (as 64-bit numbers), each with its transfer until it is
 * settled.
 */
final class OutstandingSends {

    private @Nullable Transfer[] transfers = new Transfer[64];
    private long[] bytes = new long[64];
    private long oldest;
    private long next;
    private int count;
    private long settledBytes;

    OutstandingSends() {
        this(0);
    }

    /** @param firstId the id that the kernel gives the first send; not 0 only in tests of the wrap */
    OutstandingSends(long firstId) {
        oldest = firstId;
        next = firstId;
    }

    /** The kernel took {@code taken} bytes of the transfer with one zero-copy call. */
    void issued(Transfer transfer, long taken) {
        if (next - oldest == transfers.length) {
            grow();
        }
        int at = at(next++);
        transfers[at] = transfer;
        bytes[at] = taken;
        count++;
        transfer.sendIssued();
    }

    /**
     * The kernel let go of the sends {@code first} to {@code last}, inclusive, unsigned 32-bit ids that may wrap.
     *
     * @param settled gets each transfer that has become {@link Transfer#settled} by this
     * @throws IllegalStateException if one of them is not outstanding: then nothing it says can be relied on, and nothing
     *     is settled
     */
    void settle(int first, int last, Consumer<Transfer> settled) {
        long from = oldest + Integer.toUnsignedLong(first - (int) oldest);
        long to = from + Integer.toUnsignedLong(last - first);
        for (long id = from; id <= to; id++) {
            if (id >= next || transfers[at(id)] == null) {
                throw new IllegalStateException(
                        "the kernel notified zero-copy sends " + Integer.toUnsignedString(first) + " to "
                                + Integer.toUnsignedString(last) + ", but " + Integer.toUnsignedString((int) id)
                                + " is not outstanding (" + count + " are)");
            }
        }
        for (long id = from; id <= to; id++) {
            int at = at(id);
            Transfer transfer = transfers[at];
            transfers[at] = null;
            settledBytes += bytes[at];
            count--;
            if (transfer != null) {
                transfer.sendSettled();
                if (transfer.settled()) {
                    settled.accept(transfer);
                }
            }
        }
        while (oldest < next && transfers[at(oldest)] == null) {
            oldest++;
        }
    }

    /** Sends that are outstanding. */
    int count() {
        return count;
    }

    /** Bytes of all sends settled so far. */
    long settledBytes() {
        return settledBytes;
    }

    private int at(long id) {
        return (int) id & (transfers.length - 1);
    }

    private void grow() {
        int capacity = transfers.length * 2;
        @Nullable Transfer[] moved = new Transfer[capacity];
        long[] movedBytes = new long[capacity];
        for (long id = oldest; id < next; id++) {
            moved[(int) id & (capacity - 1)] = transfers[at(id)];
            movedBytes[(int) id & (capacity - 1)] = bytes[at(id)];
        }
        transfers = moved;
        bytes = movedBytes;
    }
}
