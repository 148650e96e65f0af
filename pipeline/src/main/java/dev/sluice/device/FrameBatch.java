// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

/** Descriptions of frames, as one acquire returns them: {@code struct sluice_frame} times {@code capacity}, reused. */
public final class FrameBatch {

    private final int[] buffer;
    private final long[] offset;
    private final long[] bytes;
    private final long[] sequence;
    private final long[] timeNanos;
    private final long[] lostBytes;
    private final long[] position;
    private int size;

    public FrameBatch(int capacity) {
        buffer = new int[capacity];
        offset = new long[capacity];
        bytes = new long[capacity];
        sequence = new long[capacity];
        timeNanos = new long[capacity];
        lostBytes = new long[capacity];
        position = new long[capacity];
    }

    public int capacity() {
        return buffer.length;
    }

    /** Frames in it now. */
    public int size() {
        return size;
    }

    public void clear() {
        size = 0;
    }

    void add(
            int inBuffer,
            long atOffset,
            long validBytes,
            long number,
            long filledAtNanos,
            long lostBefore,
            long inStream) {
        buffer[size] = inBuffer;
        offset[size] = atOffset;
        bytes[size] = validBytes;
        sequence[size] = number;
        timeNanos[size] = filledAtNanos;
        lostBytes[size] = lostBefore;
        position[size] = inStream;
        size++;
    }

    /** The buffer that holds the frame, and that is to be released. */
    public int buffer(int index) {
        return buffer[index];
    }

    /** Where the frame starts in {@link BufferDevice#memory}, in bytes. */
    public long offset(int index) {
        return offset[index];
    }

    /** Valid bytes of the frame. */
    public long bytes(int index) {
        return bytes[index];
    }

    public long sequence(int index) {
        return sequence[index];
    }

    /** When it was filled, nanoseconds since 1970-01-01 UTC by the device's clock. */
    public long timeNanos(int index) {
        return timeNanos[index];
    }

    /** Bytes lost between the frame before and this one. */
    public long lostBytes(int index) {
        return lostBytes[index];
    }

    /** Of the frame's first byte in all that the device produced, lost bytes included: see {@link BufferDevice#identity}. */
    public long position(int index) {
        return position[index];
    }
}
