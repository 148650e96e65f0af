// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.sluice.Fuzz;
import dev.sluice.linux.Iovec;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;

/**
 * A connection whose other end takes bytes as it likes, says what it was told in pieces of any length, and lets go of
 * memory as late as it likes, as a kernel does with zero-copy.
 */
public final class HostileReceiver implements Transport {

    private final byte[] says;
    private final RandomGenerator random;
    private final int fd;
    private final boolean zerocopy;
    private final Deque<Transfer> referenced = new ArrayDeque<>();
    private final ByteArrayOutputStream heard = new ByteArrayOutputStream();
    private int said;
    private int steps;

    /** @param fd a descriptor that can be waited for; nothing is read from it */
    public HostileReceiver(byte[] says, int fd, RandomGenerator random) {
        this.says = says;
        this.random = random;
        this.fd = fd;
        zerocopy = random.nextBoolean();
    }

    /** All that was sent to it. */
    public byte[] heard() {
        return heard.toByteArray();
    }

    /** Whether it has said everything, and was heard. */
    public boolean silent() {
        return said == says.length;
    }

    @Override
    public int prepare() {
        return 0;
    }

    @Override
    public boolean holdsSettled() {
        return false;
    }

    @Override
    public int completionFd() {
        return -1;
    }

    @Override
    public boolean holdsReceived() {
        return false;
    }

    @Override
    @SuppressWarnings("restricted") // reads what the kernel would
    public Progress send(Transfer transfer) {
        while (transfer.leftBytes() > 0) {
            if (random.nextInt(8) == 0) {
                return Progress.AWAIT_WRITABLE;
            }
            MemorySegment next =
                    MemorySegment.ofAddress(transfer.iovecAddress()).reinterpret(2 * Long.BYTES);
            long length = Iovec.length(next, 0);
            long taken = random.nextInt(4) > 0 ? length : 1 + random.nextLong(length);
            heard.writeBytes(MemorySegment.ofAddress(Iovec.address(next, 0))
                    .reinterpret(taken)
                    .toArray(JAVA_BYTE));
            transfer.advance(taken);
            if (zerocopy && random.nextBoolean()) {
                transfer.sendIssued();
                referenced.add(transfer);
            }
        }
        return Progress.SENT;
    }

    @Override
    public void reap(Consumer<Transfer> settled) {
        while (!referenced.isEmpty() && random.nextInt(4) > 0) {
            letGo(settled);
        }
    }

    /** All that it still reads from. */
    public void reapAll(Consumer<Transfer> settled) {
        while (!referenced.isEmpty()) {
            letGo(settled);
        }
    }

    private void letGo(Consumer<Transfer> settled) {
        Transfer transfer = referenced.removeFirst();
        transfer.sendSettled();
        if (transfer.settled()) {
            settled.accept(transfer);
        }
    }

    @Override
    public long receive(MemorySegment into) throws ConnectionLostException {
        Fuzz.check(steps++ <= 10 * says.length + 1000, () -> "reads on and on");
        Fuzz.check(into.byteSize() > 0, () -> "reads into nothing");
        int left = says.length - said;
        if (left == 0 || random.nextInt(8) == 0) {
            int how = left == 0 ? random.nextInt(8) : 2;
            if (how == 0) {
                throw new ConnectionLostException("broken");
            }
            return how == 1 ? END : 0;
        }
        int most = (int) Math.min(left, into.byteSize());
        int piece = random.nextInt(4) > 0 ? most : 1 + random.nextInt(most);
        MemorySegment.copy(says, said, into, JAVA_BYTE, 0, piece);
        said += piece;
        return piece;
    }

    @Override
    public int outstanding() {
        return referenced.size();
    }

    @Override
    public int fd() {
        return fd;
    }

    @Override
    public int pendingError() {
        return 0;
    }

    @Override
    public int unacknowledgedBytes() {
        return 0;
    }

    @Override
    public boolean finish() {
        return true;
    }

    @Override
    public void abort() {}

    @Override
    public void close() {}
}
