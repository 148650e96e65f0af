// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.filter.Frame;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A frame on its way down one branch of a pipeline: a lent buffer, and what of it the filters of this branch kept. One
 * object per buffer and branch, reused; between being released and being lent again it means nothing. Owned by the
 * stream's thread.
 */
public final class LentFrame implements Frame {

    /** Flags that filters can set. */
    static final int TAGS = 8;

    private final LentBuffer buffer;
    private long lostBytes;
    private int tags;
    private int stream;

    // What goes on so far; and, while a filter has not decided on all of it, what of that shall go on.
    private Slices slices = new Slices();
    private Slices chosen = new Slices();

    // While a filter has not decided on all of it: where it lies in the stream that the filter sees, and how far into
    // the
    // slices it has come.
    private long seenStart;
    private int atIndex;
    private long atStart;

    LentFrame(LentBuffer buffer) {
        this.buffer = buffer;
    }

    /** The whole of the buffer. */
    void begin(long lostBefore) {
        lostBytes = lostBefore;
        tags = 0;
        stream = 0;
        slices.clear();
        slices.add(null, 0, buffer.bytes());
    }

    /** Becomes what {@code other} is, for another branch: a second reader of the buffer. */
    void share(LentFrame other) {
        buffer.hold();
        lostBytes = other.lostBytes;
        tags = other.tags;
        stream = other.stream;
        slices.copy(other.slices);
    }

    /** This branch is done with it. */
    public void release() {
        buffer.pool().release(this);
    }

    LentBuffer lent() {
        return buffer;
    }

    /** The buffer's name at its device. */
    public int buffer() {
        return buffer.index();
    }

    /** Which of a sink's streams it belongs to, from 0. */
    int stream() {
        return stream;
    }

    void stream(int number) {
        stream = number;
    }

    /** Bytes lost before a frame that was dropped are announced with the next one that is not. */
    void addLostBytes(long more) {
        lostBytes += more;
    }

    public int tags() {
        return tags;
    }

    void tag(int number) {
        tags |= 1 << number;
    }

    /** A filter looks at it now; what it sees of its stream so far ends at {@code position}. */
    void beginChoice(long position) {
        seenStart = position;
        atIndex = 0;
        atStart = 0;
        chosen.clear();
    }

    long seenStart() {
        return seenStart;
    }

    long seenEnd() {
        return seenStart + slices.total;
    }

    /** Chooses bytes by their place in what the filter sees; both rise from call to call, so one pass does. */
    void choose(long start, long bytes) {
        long at = start;
        long left = bytes;
        while (left > 0) {
            while (at - atStart >= slices.length[atIndex]) {
                atStart += slices.length[atIndex++];
            }
            long within = at - atStart;
            long taken = Math.min(left, slices.length[atIndex] - within);
            chosen.add(slices.memory[atIndex], slices.offset[atIndex] + within, taken);
            at += taken;
            left -= taken;
        }
    }

    /** Chooses bytes that are not the frame's. */
    void chooseOther(MemorySegment memory, long offset, long bytes) {
        chosen.add(memory, offset, bytes);
    }

    /** What was chosen is what goes on. */
    void endChoice() {
        Slices was = slices;
        slices = chosen;
        chosen = was;
    }

    /** Whether the kept bytes are one run of the source's. */
    boolean contiguous() {
        return slices.count == 1 && slices.memory[0] == null;
    }

    /** Whether every byte is the source's, and every slice begins and ends between 64-bit words of its stream. */
    boolean wholeWords() {
        long edges = 0;
        for (int i = 0; i < slices.count; i++) {
            if (slices.memory[i] != null) {
                return false;
            }
            edges |= (buffer.sourceOffset() + slices.offset[i]) | slices.length[i];
        }
        return (edges & (Long.BYTES - 1)) == 0;
    }

    /** Whether a filter put bytes of its own in. */
    boolean emitted() {
        for (int i = 0; i < slices.count; i++) {
            if (sliceEmitted(i)) {
                return true;
            }
        }
        return false;
    }

    /** Whether a slice is a filter's own bytes, and not the frame's. */
    public boolean sliceEmitted(int index) {
        return slices.memory[index] != null;
    }

    /** Address of the first byte of a slice. */
    long sliceAddress(int index) {
        MemorySegment other = slices.memory[index];
        return (other == null ? buffer.address() : other.address()) + slices.offset[index];
    }

    /** Position of the first kept byte in all that the source produced; of the frame, if that byte is a filter's. */
    long keptSourceOffset() {
        return buffer.sourceOffset() + (slices.count > 0 && slices.memory[0] == null ? slices.offset[0] : 0);
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
    public MemorySegment memory(int index) {
        MemorySegment other = slices.memory[index];
        return other == null ? buffer.memory() : other;
    }

    @Override
    public long sliceOffset(int index) {
        return slices.offset[index];
    }

    @Override
    public long sliceLength(int index) {
        return slices.length[index];
    }

    @Override
    public long sequence() {
        return buffer.sequence();
    }

    @Override
    public long timeNanos() {
        return buffer.timeNanos();
    }

    @Override
    public long sourceOffset() {
        return buffer.sourceOffset();
    }

    @Override
    public long lostBytes() {
        return lostBytes;
    }

    /** A list of slices in the order in which they go on. A memory of null is the frame's own, from its first byte. */
    private static final class Slices {

        private @Nullable MemorySegment[] memory = new @Nullable MemorySegment[8];
        private long[] offset = new long[8];
        private long[] length = new long[8];
        private int count;
        private long total;

        void clear() {
            Arrays.fill(memory, 0, count, null);
            count = 0;
            total = 0;
        }

        /** Neighbours become one slice: the fewer, the cheaper to send. */
        void add(@Nullable MemorySegment in, long start, long bytes) {
            if (bytes == 0) {
                return;
            }
            total += bytes;
            if (count > 0 && Objects.equals(memory[count - 1], in) && offset[count - 1] + length[count - 1] == start) {
                length[count - 1] += bytes;
                return;
            }
            if (count == offset.length) {
                grow(count * 2);
            }
            memory[count] = in;
            offset[count] = start;
            length[count++] = bytes;
        }

        void copy(Slices from) {
            clear();
            if (from.count > offset.length) {
                grow(from.offset.length);
            }
            System.arraycopy(from.memory, 0, memory, 0, from.count);
            System.arraycopy(from.offset, 0, offset, 0, from.count);
            System.arraycopy(from.length, 0, length, 0, from.count);
            count = from.count;
            total = from.total;
        }

        private void grow(int capacity) {
            memory = Arrays.copyOf(memory, capacity);
            offset = Arrays.copyOf(offset, capacity);
            length = Arrays.copyOf(length, capacity);
        }
    }
}
