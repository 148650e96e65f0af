// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.linux.Constants;
import dev.sluice.linux.Iovec;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.BitSet;

/**
 * Bytes on their way out, of one frame or of several: what is still to be handed to the kernel, and how many sends of it
 * the kernel has not let go of yet. Reused. One thread at a time.
 *
 * <p>The memory may be written again only when {@link #settled}: everything handed over <em>and</em> every zero-copy send
 * of it notified. The second part survives a lost connection: sends of the old one still count.
 */
public class Transfer {

    private MemorySegment iovecs = Iovec.allocateArray(Arena.ofAuto(), 8);
    private int capacity = 8;
    private int count;
    private int next;
    private long leftBytes;
    private long totalBytes;

    /** Which of the elements are headers. */
    private final BitSet headers = new BitSet();

    private long headerBytes;
    private int outstanding;
    private boolean untold;

    /** Forgets what was to be sent; sends that are outstanding stay so. */
    public void clear() {
        count = 0;
        next = 0;
        leftBytes = 0;
        totalBytes = 0;
        headers.clear();
        headerBytes = 0;
        untold = false;
    }

    /** Adds a header, which does not count when it is judged whether the payload is worth sending by reference. */
    public void addHeader(long address, long lengthBytes) {
        headers.set(count);
        add(address, lengthBytes);
        headerBytes += lengthBytes;
    }

    /** Adds {@code lengthBytes} bytes at {@code address} to what is to be sent; a length of 0 adds nothing. */
    public void add(long address, long lengthBytes) {
        if (lengthBytes == 0) {
            return;
        }
        if (count == capacity) {
            grow();
        }
        Iovec.set(iovecs, count++, address, lengthBytes);
        leftBytes += lengthBytes;
        totalBytes += lengthBytes;
    }

    private void grow() {
        MemorySegment moved = Iovec.allocateArray(Arena.ofAuto(), capacity * 2);
        moved.copyFrom(iovecs);
        iovecs = moved;
        capacity *= 2;
    }

    /** Bytes that the kernel has not taken yet. */
    public long leftBytes() {
        return leftBytes;
    }

    /** Bytes that are or were to be sent. */
    public long totalBytes() {
        return totalBytes;
    }

    /** Bytes that the kernel has taken. */
    public long takenBytes() {
        return totalBytes - leftBytes;
    }

    /** Mean length of the payload's stretches of memory: sending by reference costs per stretch, copying per byte. */
    long meanStretchBytes() {
        int stretches = count - headers.cardinality();
        return stretches == 0 ? 0 : (totalBytes - headerBytes) / stretches;
    }

    /** Whether the memory may be written again. */
    public boolean settled() {
        return leftBytes == 0 && outstanding == 0;
    }

    /** Sends that the kernel may still read from. */
    public int outstanding() {
        return outstanding;
    }

    long iovecAddress() {
        return Iovec.elementAddress(iovecs, next);
    }

    /** Copies what is to be sent next, as much as there is and fits. */
    void copyTo(ByteBuffer into) {
        for (int i = next; i < count && into.hasRemaining(); i++) {
            Iovec.copy(iovecs, i, into);
        }
    }

    /** Where the {@code i}th element of the next send begins. */
    long nextAddress(int i) {
        return Iovec.address(iovecs, next + i);
    }

    /** Bytes of that element. */
    long nextLength(int i) {
        return Iovec.length(iovecs, next + i);
    }

    /** Whether that element is one, or the rest of one. */
    boolean nextIsHeader(int i) {
        return headers.get(next + i);
    }

    /** Elements for the next send. */
    int iovecCount() {
        return Math.min(count - next, Constants.IOV_MAX);
    }

    /** The kernel took {@code bytes} bytes. */
    void advance(long bytes) {
        leftBytes -= bytes;
        long taken = bytes;
        while (taken > 0) {
            long length = Iovec.length(iovecs, next);
            if (taken < length) {
                Iovec.set(iovecs, next, Iovec.address(iovecs, next) + taken, length - taken);
                return;
            }
            taken -= length;
            next++;
        }
    }

    /** The kernel refers to the memory, and nobody but the receiver will ever say that it is done. */
    void referredToUntilAcknowledged() {
        untold = true;
    }

    /** Whether only an acknowledgement of the receiver says that the memory may be written again. */
    public boolean awaitsAcknowledgement() {
        return untold;
    }

    void sendIssued() {
        outstanding++;
    }

    void sendSettled() {
        outstanding--;
    }
}
