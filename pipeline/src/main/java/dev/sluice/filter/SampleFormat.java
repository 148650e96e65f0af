// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** How a sample is written: {@code s} signed, {@code u} unsigned, {@code f} IEEE 754, and its width in bits. */
public enum SampleFormat {
    S8(1, Byte.MIN_VALUE, Byte.MAX_VALUE),
    U8(1, 0, 0xff),
    S16(2, Short.MIN_VALUE, Short.MAX_VALUE),
    U16(2, 0, 0xffff),
    S24(3, -(1 << 23), (1 << 23) - 1),
    U24(3, 0, 0xff_ffff),
    S32(4, Integer.MIN_VALUE, Integer.MAX_VALUE),
    U32(4, 0, 0xffff_ffffL),
    F32(4, -Float.MAX_VALUE, Float.MAX_VALUE);

    /** Which byte of a sample comes first: the least significant ({@code little}) or the most ({@code big}). */
    public enum Order {
        LITTLE,
        BIG
    }

    static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(java.nio.ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(java.nio.ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(java.nio.ByteOrder.LITTLE_ENDIAN);

    private final int bytes;
    private final double least;
    private final double most;

    SampleFormat(int bytes, double least, double most) {
        this.bytes = bytes;
        this.least = least;
        this.most = most;
    }

    /** Bytes of a sample. */
    public int bytes() {
        return bytes;
    }

    /** The least value, infinity aside. */
    public double least() {
        return least;
    }

    /** The greatest value, infinity aside. */
    public double most() {
        return most;
    }

    /** The value of the sample at {@code offset}, exactly: a double holds every value of every format. */
    public double read(MemorySegment memory, long offset, Order order) {
        int raw = raw(memory, offset, order);
        return switch (this) {
            case S8 -> (byte) raw;
            case S16 -> (short) raw;
            case S24 -> raw << 8 >> 8;
            case U8, U16, U24, S32 -> raw;
            case U32 -> Integer.toUnsignedLong(raw);
            case F32 -> Float.intBitsToFloat(raw);
        };
    }

    /** The bits of the sample at {@code offset}, with zeros above them. */
    int raw(MemorySegment memory, long offset, Order order) {
        boolean big = order == Order.BIG;
        return switch (bytes) {
            case 1 -> memory.get(ValueLayout.JAVA_BYTE, offset) & 0xff;
            case 2 -> {
                short read = memory.get(SHORT, offset);
                yield (big ? Short.reverseBytes(read) : read) & 0xffff;
            }
            case 3 -> raw24(memory.get(SHORT, offset), memory.get(ValueLayout.JAVA_BYTE, offset + Short.BYTES), big);
            default -> {
                int read = memory.get(INT, offset);
                yield big ? Integer.reverseBytes(read) : read;
            }
        };
    }

    /** The bits of a 24-bit sample of which the first two bytes and the third were read. */
    static int raw24(short start, byte end, boolean big) {
        return big
                ? ((Short.reverseBytes(start) & 0xffff) << 8) | (end & 0xff)
                : ((end & 0xff) << 16) | (start & 0xffff);
    }
}
