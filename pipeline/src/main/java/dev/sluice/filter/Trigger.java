// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Which samples a filter looks for: those above one value, below another, or either. Finds them in memory, a
 * <i>unit</i> at a time: one sample, or one of each channel where these are interleaved and one of them is judged.
 *
 * <p>Values that do not trigger are one band. A sample lies outside it if its distance from the lower end, in the
 * arithmetic of its width, is at least the band's width, which is one subtraction and one comparison for signed and
 * unsigned alike. Where a 64-bit word holds whole units, its samples are judged at once, and the loop over words has no
 * branch, so that the compiler makes vector instructions of it.
 */
final class Trigger {

    /** At first the samples are looked at one by one: where triggers are dense, the next is near. */
    private static final int NEAR_BYTES = 32;

    /** Words judged together: few after a trigger, since what is found in a block is looked for in it again. */
    private static final int LEAST_WORDS = 64;

    private static final int MOST_WORDS = 8192;

    /** In so few words the samples are looked at one by one. */
    private static final int FEW_WORDS = 8;

    private static final int MOST_AT_ONCE = 1 << 16;

    private static final long FLOAT_LANES = 0x1_0000_0001L;

    private final SampleFormat format;
    private final SampleFormat.Order order;
    private final int unitBytes;
    private final int sampleOffset;
    private final boolean isFloat;
    private final boolean bigEndian;
    private final boolean wholeInWords; // a 64-bit word holds whole units

    // The band of values that do not trigger: its lower end, and how many values it has.
    private final int low;
    private final long count;
    private final int mask;
    private final boolean never;

    // The same in every lane of a word.
    private final long eitherBits; // all, unless the count has its highest bit
    private final long highBits;
    private final long lowRest;
    private final long lowInverted;
    private final long countRest;
    private final long judgedBits; // the highest of the lanes whose samples are judged

    /**
     * @param above samples of a greater value trigger; infinity if none does
     * @param below samples of a lesser value trigger; negative infinity if none does
     * @param channels samples that are interleaved
     * @param channel which of them is judged, from 0
     */
    Trigger(SampleFormat format, SampleFormat.Order order, double above, double below, int channels, int channel) {
        this.format = format;
        this.order = order;
        unitBytes = Math.multiplyExact(channels, format.bytes());
        sampleOffset = channel * format.bytes();
        int bits = format.bytes() * Byte.SIZE;
        isFloat = format == SampleFormat.F32;
        bigEndian = order == SampleFormat.Order.BIG && format.bytes() > 1;
        wholeInWords = Long.BYTES % unitBytes == 0;
        mask = -1 >>> (Integer.SIZE - bits);
        long first = isFloat
                ? key(Float.floatToRawIntBits(floatFrom(below)))
                : (long) Math.max(format.least(), Math.ceil(below));
        long last = isFloat
                ? key(Float.floatToRawIntBits(floatUpTo(above)))
                : (long) Math.min(format.most(), Math.floor(above));
        low = (int) first & mask;
        count = Math.max(0, last - first + 1);
        never = count > (mask & 0xffff_ffffL);
        long lanes = Long.divideUnsigned(-1, -1L >>> (Long.SIZE - bits)); // a 1 in each
        highBits = lanes << (bits - 1);
        eitherBits = (count >>> (bits - 1) & 1) == 0 ? -1 : 0;
        long lows = lanes * (low & 0xffff_ffffL);
        lowRest = lows & ~highBits;
        lowInverted = ~lows;
        long judged = 0;
        for (int at = sampleOffset; at < Long.BYTES; at += unitBytes) {
            int lane = bigEndian ? Long.BYTES - format.bytes() - at : at;
            judged |= 1L << (lane * Byte.SIZE + bits - 1);
        }
        judgedBits = judged;
        countRest = lanes * (count & mask & 0xffff_ffffL) & ~highBits;
    }

    /** Reads {@code above}, {@code below}, {@code format}, {@code byte-order}, {@code channels} and {@code channel}. */
    static Trigger read(Settings settings) {
        SampleFormat format = settings.choice("format", SampleFormat.class);
        SampleFormat.Order order = settings.choice("byte-order", SampleFormat.Order.class);
        double above = settings.has("above")
                ? settings.number("above", format.least(), format.most())
                : Double.POSITIVE_INFINITY;
        double below = settings.has("below")
                ? settings.number("below", format.least(), format.most())
                : Double.NEGATIVE_INFINITY;
        if (!settings.has("above") && !settings.has("below")) {
            settings.problem("above", "or below must be written, or both: the value that a sample must pass");
        } else if (below > above) {
            settings.problem(
                    "below", "is more than above, so every sample would trigger; write a value of at most above");
        }
        int channels = (int) settings.count("channels", 1, 65536);
        int channel = (int) settings.count("channel", 0, 65535);
        if (channel >= channels) {
            settings.problem(
                    "channel", "is " + channel + "; with channels = " + channels + " the last is " + (channels - 1));
            channel = 0;
        }
        return new Trigger(format, order, above, below, channels, channel);
    }

    // Both zeros are in the band or neither: they are equal, though their bits are not.

    private static float floatFrom(double below) {
        float value = (float) below;
        float from = value < below ? Math.nextUp(value) : value;
        return from == 0 ? -0.0f : from;
    }

    private static float floatUpTo(double above) {
        float value = (float) above;
        float upTo = value > above ? Math.nextDown(value) : value;
        return upTo == 0 ? 0.0f : upTo;
    }

    int unitBytes() {
        return unitBytes;
    }

    /** Whether the unit at {@code offset} triggers. */
    boolean at(MemorySegment memory, long offset) {
        return outside(format.raw(memory, offset + sampleOffset, order));
    }

    /** Where the first unit that triggers begins, of the whole units from {@code from} up to {@code to}; else -1. */
    long first(MemorySegment memory, long from, long to) {
        long at = from;
        if (wholeInWords) {
            long near = Math.min(to, from + NEAR_BYTES);
            long found = oneByOne(memory, from, (near - from) / unitBytes, unitBytes);
            if (found >= 0) {
                return found;
            }
            at = near;
            for (int most = LEAST_WORDS; to - at >= Long.BYTES; most = Math.min(2 * most, MOST_WORDS)) {
                int words = (int) Math.min((to - at) / Long.BYTES, most);
                if (!any(memory, at, words)) {
                    at += (long) words * Long.BYTES;
                    continue;
                }
                while (words > FEW_WORDS) {
                    int half = words / 2;
                    if (any(memory, at, half)) {
                        words = half;
                    } else {
                        at += (long) half * Long.BYTES;
                        words -= half;
                    }
                }
                found = oneByOne(memory, at, (long) words * Long.BYTES / unitBytes, unitBytes);
                if (found >= 0) {
                    return found;
                }
                at += (long) words * Long.BYTES; // it was a NaN
            }
        }
        return oneByOne(memory, at, (to - at) / unitBytes, unitBytes);
    }

    /** Where the last unit that triggers begins, of the whole units from {@code from} up to {@code to}; else -1. */
    long last(MemorySegment memory, long from, long to) {
        long end = to;
        if (wholeInWords) {
            long near = Math.max(from, to - NEAR_BYTES);
            long found = oneByOne(memory, to - unitBytes, (to - near) / unitBytes, -unitBytes);
            if (found >= 0) {
                return found;
            }
            end = near;
            for (int most = LEAST_WORDS; end - from >= Long.BYTES; most = Math.min(2 * most, MOST_WORDS)) {
                int words = (int) Math.min((end - from) / Long.BYTES, most);
                if (!any(memory, end - (long) words * Long.BYTES, words)) {
                    end -= (long) words * Long.BYTES;
                    continue;
                }
                while (words > FEW_WORDS) {
                    int half = words / 2;
                    if (any(memory, end - (long) half * Long.BYTES, half)) {
                        words = half;
                    } else {
                        end -= (long) half * Long.BYTES;
                        words -= half;
                    }
                }
                found = oneByOne(memory, end - unitBytes, (long) words * Long.BYTES / unitBytes, -unitBytes);
                if (found >= 0) {
                    return found;
                }
                end -= (long) words * Long.BYTES; // it was a NaN
            }
        }
        return oneByOne(memory, end - unitBytes, (end - from) / unitBytes, -unitBytes);
    }

    /** Where the units end that trigger one after the other from {@code from} on; {@code to} if they all do. */
    long endOfRun(MemorySegment memory, long from, long to) {
        long at = from;
        while (at < to && at(memory, at)) {
            at += unitBytes;
        }
        return at;
    }

    /** Looks at {@code units} units, the first at {@code from}, each {@code step} bytes on. */
    private long oneByOne(MemorySegment memory, long from, long units, int step) {
        long at = from + sampleOffset;
        for (long left = units; left > 0; ) {
            int now = (int) Math.min(left, MOST_AT_ONCE);
            int clean = switch (format.bytes()) {
                case 1 -> within1(memory, at, now, step);
                case 2 -> within2(memory, at, now, step);
                case 3 -> within3(memory, at, now, step);
                default -> within4(memory, at, now, step);
            };
            at += (long) clean * step;
            if (clean < now) {
                return at - sampleOffset;
            }
            left -= now;
        }
        return -1;
    }

    // How many samples come before the first that triggers. One loop for each width, since a choice for each sample
    // would cost more than the rest.

    private int within1(MemorySegment memory, long from, int samples, int step) {
        for (int i = 0; i < samples; i++) {
            if (outside(memory.get(ValueLayout.JAVA_BYTE, from + (long) i * step))) {
                return i;
            }
        }
        return samples;
    }

    private int within2(MemorySegment memory, long from, int samples, int step) {
        for (int i = 0; i < samples; i++) {
            short read = memory.get(SampleFormat.SHORT, from + (long) i * step);
            if (outside(bigEndian ? Short.reverseBytes(read) : read)) {
                return i;
            }
        }
        return samples;
    }

    private int within3(MemorySegment memory, long from, int samples, int step) {
        for (int i = 0; i < samples; i++) {
            long at = from + (long) i * step;
            short start = memory.get(SampleFormat.SHORT, at);
            byte end = memory.get(ValueLayout.JAVA_BYTE, at + Short.BYTES);
            if (outside(SampleFormat.raw24(start, end, bigEndian))) {
                return i;
            }
        }
        return samples;
    }

    private int within4(MemorySegment memory, long from, int samples, int step) {
        for (int i = 0; i < samples; i++) {
            int read = memory.get(SampleFormat.INT, from + (long) i * step);
            if (outside(bigEndian ? Integer.reverseBytes(read) : read)) {
                return i;
            }
        }
        return samples;
    }

    private boolean outside(int raw) {
        return (key(raw) - low & mask & 0xffff_ffffL) >= count && (!isFloat || !Float.isNaN(Float.intBitsToFloat(raw)));
    }

    /** Bits that rise with the value, in two's complement. A NaN lies beyond infinity. */
    private int key(int raw) {
        return isFloat ? raw ^ (raw >> 31 & Integer.MAX_VALUE) : raw;
    }

    /** Whether any of the samples in some words may trigger; NaNs are not told from what they lie beside. */
    private boolean any(MemorySegment memory, long from, int words) {
        if (never) {
            return false;
        }
        long found;
        if (isFloat) {
            found = bigEndian ? inBigEndianFloats(memory, from, words) : inFloats(memory, from, words);
        } else {
            found = bigEndian ? inBigEndian(memory, from, words) : inLittleEndian(memory, from, words);
        }
        return (found & judgedBits) != 0;
    }

    // One loop for each kind, since with a branch in it the compiler makes no vector instructions.

    private long inLittleEndian(MemorySegment memory, long from, int words) {
        long found = 0;
        for (int i = 0; i < words; i++) {
            found |= outsideInLanes(memory.get(SampleFormat.LONG, from + 8L * i));
        }
        return found;
    }

    private long inBigEndian(MemorySegment memory, long from, int words) {
        long found = 0;
        for (int i = 0; i < words; i++) {
            found |= outsideInLanes(Long.reverseBytes(memory.get(SampleFormat.LONG, from + 8L * i)));
        }
        return found;
    }

    private long inFloats(MemorySegment memory, long from, int words) {
        long found = 0;
        for (int i = 0; i < words; i++) {
            found |= outsideInLanes(floatKeys(memory.get(SampleFormat.LONG, from + 8L * i)));
        }
        return found;
    }

    private long inBigEndianFloats(MemorySegment memory, long from, int words) {
        long found = 0;
        for (int i = 0; i < words; i++) {
            found |= outsideInLanes(floatKeys(Long.reverseBytes(memory.get(SampleFormat.LONG, from + 8L * i))));
        }
        return found;
    }

    /** {@link #key} of two floats: where the sign is set, the bits below it are turned over. */
    private static long floatKeys(long raw) {
        long negative = raw >>> 31 & FLOAT_LANES;
        return raw ^ ((negative << 31) - negative);
    }

    /** Sets the highest bit of each lane whose key is outside the band; the other bits mean nothing. */
    private long outsideInLanes(long keys) {
        // Subtraction without a borrow from lane to lane: the highest bits are kept out and put in again.
        long distance = ((keys | highBits) - lowRest) ^ ((keys ^ lowInverted) & highBits);
        long rest = (distance | highBits) - countRest;
        // At least the count: where the count has the highest bit, if both have it, else if either has.
        return (distance & rest) | ((distance | rest) & eitherBits);
    }
}
