// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A buffer of the device while it is lent, and how many read it: the branches of a fan-out share it, each with a {@link
 * LentFrame} of its own. One object per buffer, reused. Owned by the stream's thread.
 */
final class LentBuffer {

    private final FramePool pool;
    private final int index;
    private final MemorySegment device;

    // Set when the buffer is lent.
    private long offset;
    private long bytes;
    private long sequence;
    private long timeNanos;
    private long sourceOffset;
    private long lentAtNanos;
    private int holders;
    private int retained;
    private @Nullable MemorySegment memory;
    private long memoryOffset = -1;

    LentBuffer(FramePool pool, int index, MemorySegment device) {
        this.pool = pool;
        this.index = index;
        this.device = device;
    }

    void lend(long atOffset, long validBytes, long number, long filledAtNanos, long position, long now) {
        offset = atOffset;
        bytes = validBytes;
        sequence = number;
        timeNanos = filledAtNanos;
        sourceOffset = position;
        lentAtNanos = now;
        holders = 1;
    }

    FramePool pool() {
        return pool;
    }

    /** Its name at the device. */
    int index() {
        return index;
    }

    void hold() {
        if (holders <= 0) {
            throw new IllegalStateException("buffer " + index + " is shared after it was released");
        }
        holders++;
    }

    /** One reader less; true if it was the last. */
    boolean letGo() {
        if (holders <= 0) {
            throw new IllegalStateException("buffer " + index + " is released twice");
        }
        return --holders == 0;
    }

    /** Whether somebody reads it who will let go of it when the stream has ended. */
    boolean held() {
        return holders > retained;
    }

    /** So many readers more, or less, hold it beyond the end of the stream. */
    void retain(int more) {
        retained += more;
    }

    long lentAtNanos() {
        return lentAtNanos;
    }

    long bytes() {
        return bytes;
    }

    long sequence() {
        return sequence;
    }

    long timeNanos() {
        return timeNanos;
    }

    long sourceOffset() {
        return sourceOffset;
    }

    /** Address of the frame's first byte. */
    long address() {
        return device.address() + offset;
    }

    /** The frame's bytes, read only. Made when somebody asks, and again only if the frame lies elsewhere than before. */
    MemorySegment memory() {
        MemorySegment view = memory;
        if (view == null || memoryOffset != offset || view.byteSize() != bytes) {
            view = device.asSlice(offset, bytes).asReadOnly();
            memory = view;
            memoryOffset = offset;
        }
        return view;
    }
}
