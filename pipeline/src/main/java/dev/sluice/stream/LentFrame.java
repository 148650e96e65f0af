// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.filter.Frame;
import dev.sluice.filter.Kept;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A frame that the device has lent to the pipeline. One object per buffer, reused; between being released and being lent
 * again it means nothing. Owned by the stream's thread.
 */
public final class LentFrame implements Frame {

    private final int buffer;
    private final MemorySegment device;

    // Set when the frame is lent.
    private long offset;
    private long bytes;
    private long sequence;
    private long timeNanos;
    private long sourceOffset;
    private long lostBytes;
    private long lentAtNanos;
    private int holders;
    private @Nullable MemorySegment memory;
    private long memoryOffset = -1;

    // What filters have kept so far, and what the one at work keeps.
    private Slices slices = new Slices();
    private Slices narrowed = new Slices();

    LentFrame(int buffer, MemorySegment device) {
        this.buffer = buffer;
        this.device = device;
    }

    void lend(
            long atOffset, long validBytes, long number, long filledAtNanos, long position, long lostBefore, long now) {
        offset = atOffset;
        bytes = validBytes;
        sequence = number;
        timeNanos = filledAtNanos;
        sourceOffset = position;
        lostBytes = lostBefore;
        lentAtNanos = now;
        holders = 1;
        slices.clear();
        slices.add(0, validBytes);
    }

    /** The buffer's name at its device. */
    public int buffer() {
        return buffer;
    }

    /** One reader less; true if it was the last. */
    boolean letGo() {
        if (holders <= 0) {
            throw new IllegalStateException("buffer " + buffer + " is released twice");
        }
        return --holders == 0;
    }

    boolean held() {
        return holders > 0;
    }

    long lentAtNanos() {
        return lentAtNanos;
    }

    /** Bytes lost before a frame that was dropped are announced with the next one that is not. */
    void addLostBytes(long more) {
        lostBytes += more;
    }

    /** Narrows the frame to what {@code keeper} keeps. If it throws, the frame is as before. */
    void narrow(Keeper keeper) throws Exception {
        narrowed.begin(slices);
        try {
            keeper.keep(this, narrowed);
        } finally {
            narrowed.seen = null; // whoever keeps a slice later has kept hold of what was lent
        }
        Slices was = slices;
        slices = narrowed;
        narrowed = was;
    }

    /** A filter at work on a frame. */
    @FunctionalInterface
    interface Keeper {
        void keep(Frame frame, Kept kept) throws Exception;
    }

    /** Whether every slice begins and ends between 64-bit words of the source's stream. */
    boolean sliceWholeWords() {
        long edges = 0;
        for (int i = 0; i < slices.count; i++) {
            edges |= (sourceOffset + slices.offset[i]) | slices.length[i];
        }
        return (edges & (Long.BYTES - 1)) == 0;
    }

    /** Address of the first byte of a slice. */
    long sliceAddress(int index) {
        return device.address() + offset + slices.offset[index];
    }

    /** Position of the first kept byte in all that the source produced. */
    long keptSourceOffset() {
        return sourceOffset + (slices.count > 0 ? slices.offset[0] : 0);
    }

    /** Position of the first byte after the frame, kept or not. */
    long endSourceOffset() {
        return sourceOffset + bytes;
    }

    @Override
    public long size() {
        return slices.total;
    }

    @Override
    public int sliceCount() {
        return slices.count;
    }

    @Override
    public long sliceOffset(int index) {
        return slices.offset[index];
    }

    @Override
    public long sliceLength(int index) {
        return slices.length[index];
    }

    /** Made when a filter asks for it, and again only if the buffer's frame lies elsewhere than the last time. */
    @Override
    public MemorySegment memory() {
        MemorySegment view = memory;
        if (view == null || memoryOffset != offset || view.byteSize() != bytes) {
            view = device.asSlice(offset, bytes).asReadOnly();
            memory = view;
            memoryOffset = offset;
        }
        return view;
    }

    @Override
    public long sequence() {
        return sequence;
    }

    @Override
    public long timeNanos() {
        return timeNanos;
    }

    @Override
    public long sourceOffset() {
        return sourceOffset;
    }

    @Override
    public long lostBytes() {
        return lostBytes;
    }

    /** A list of slices of the frame, in rising order; while a filter works, also the positions it counts in. */
    private static final class Slices implements Kept {

        private long[] offset = new long[8];
        private long[] length = new long[8];
        private int count;
        private long total;

        // While a filter works: what it sees, and how far it has come in that.
        private @Nullable Slices seen;
        private int seenIndex;
        private long seenStart;
        private long nextAllowed;

        void clear() {
            count = 0;
            total = 0;
        }

        void begin(Slices whatTheFilterSees) {
            clear();
            seen = whatTheFilterSees;
            seenIndex = 0;
            seenStart = 0;
            nextAllowed = 0;
        }

        /** Neighbours become one slice: the fewer, the cheaper to send. */
        void add(long start, long bytes) {
            if (bytes == 0) {
                return;
            }
            total += bytes;
            if (count > 0 && offset[count - 1] + length[count - 1] == start) {
                length[count - 1] += bytes;
                return;
            }
            if (count == offset.length) {
                offset = Arrays.copyOf(offset, count * 2);
                length = Arrays.copyOf(length, count * 2);
            }
            offset[count] = start;
            length[count++] = bytes;
        }

        @Override
        public void keep(long start, long bytes) {
            Slices source = seen;
            if (source == null) {
                throw new IllegalStateException("a filter kept a slice after its call had returned");
            }
            if (start < 0 || bytes < 0 || bytes > source.total - start) {
                throw new IllegalArgumentException("it kept the slice from " + start + " of length " + bytes
                        + ", which is outside the frame of " + source.total + " bytes");
            }
            if (start < nextAllowed) {
                throw new IllegalArgumentException("it kept the slice from " + start + " of length " + bytes
                        + ", which overlaps or precedes the one that ended at " + nextAllowed);
            }
            nextAllowed = start + bytes;
            translate(source, start, bytes);
        }

        /** From positions in what the filter sees to positions in the buffer; both lists rise, so one pass does. */
        private void translate(Slices source, long start, long bytes) {
            long at = start;
            long left = bytes;
            while (left > 0) {
                while (at - seenStart >= source.length[seenIndex]) {
                    seenStart += source.length[seenIndex++];
                }
                long within = at - seenStart;
                long taken = Math.min(left, source.length[seenIndex] - within);
                add(source.offset[seenIndex] + within, taken);
                at += taken;
                left -= taken;
            }
        }
    }
}
