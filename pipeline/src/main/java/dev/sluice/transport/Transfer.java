// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.linux.Constants;
import dev.sluice.linux.Iovec;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/**
 * One frame's bytes on their way out: what is still to be handed to the kernel, and how many sends of it the kernel has
 * not let go of yet. One object per buffer, reused.
 *
 * <p>The memory may be written again only when {@link #settled}: everything handed over <em>and</em> every zero-copy send
 * of it notified. The second part survives a lost connection: sends of the old one still count.
 */
public final class Transfer {

    /** The slot of what is no buffer's: headers that stand alone. */
    public static final int NO_BUFFER = -1;

    private final int slot;

    // Owner only (the stream's thread).
    private MemorySegment iovecs = Iovec.allocateArray(Arena.ofAuto(), 8);
    private int capacity = 8;
    private int count;
    private int next;
    private long leftBytes;
    private long totalBytes;
    private int headers;
    private long headerBytes;
    private int outstanding;
    private boolean untold;

    /** @param slot whose bytes: a number for the owner to find its frame by, or {@link #NO_BUFFER} */
    public Transfer(int slot) {
        this.slot = slot;
    }

    public int slot() {
        return slot;
    }

    /** Forgets what was to be sent; sends that are outstanding stay so. */
    public void clear() {
        count = 0;
        next = 0;
        leftBytes = 0;
        totalBytes = 0;
        headers = 0;
        headerBytes = 0;
    }

    /**
     * Adds a header, in front of all that is none. It does not count when it is judged whether the payload is worth sending
     * by reference.
     */
    public void addHeader(long address, long lengthBytes) {
        add(address, lengthBytes);
        headers++;
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

    /** Whether the kernel has taken some of it. */
    public boolean begun() {
        return leftBytes < totalBytes;
    }

    /** Mean length of the payload's stretches of memory: sending by reference costs per stretch, copying per byte. */
    long meanStretchBytes() {
        int stretches = count - headers;
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
        return next + i < headers;
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

    /** The receiver has read all of it. */
    public void acknowledged() {
        untold = false;
    }

    void sendIssued() {
        outstanding++;
    }

    void sendSettled() {
        outstanding--;
    }
}
