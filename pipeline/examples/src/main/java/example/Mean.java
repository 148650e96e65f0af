// SPDX-License-Identifier: Apache-2.0
package example;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.sluice.filter.Filter;
import dev.sluice.filter.FilterFactory;
import dev.sluice.filter.Frame;
import dev.sluice.filter.Kept;
import dev.sluice.filter.Settings;
import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;

/**
 * Type {@code mean}: in place of signed 16-bit little-endian samples, the mean of every so many of them, rounded towards
 * zero, in the same format. It counts on from frame to frame, and begins anew at a gap, with the first byte behind it.
 */
public final class Mean implements Filter {

    private final long samples;
    private long bytes;
    private long sum;

    private Mean(long samples) {
        this.samples = samples;
    }

    @Override
    public long scratchBytes(long mostFrameBytes) {
        return 2 * (mostFrameBytes / (2 * samples) + 1); // one more, for the mean that an earlier frame began
    }

    @Override
    public void filter(Frame frame, Kept kept) {
        if (frame.lostBytes() > 0) {
            bytes = 0;
            sum = 0;
        }
        MemorySegment means = kept.scratch();
        long used = 0;
        for (int i = 0; i < frame.sliceCount(); i++) {
            MemorySegment memory = frame.memory(i);
            long end = frame.sliceOffset(i) + frame.sliceLength(i);
            for (long at = frame.sliceOffset(i); at < end; at++) {
                // Byte by byte: a frame, or a slice, may end in the middle of a sample.
                byte next = memory.get(JAVA_BYTE, at);
                sum += bytes % 2 == 0 ? next & 0xff : next << 8;
                if (++bytes == 2 * samples) {
                    short mean = (short) (sum / samples);
                    means.set(JAVA_BYTE, used++, (byte) mean);
                    means.set(JAVA_BYTE, used++, (byte) (mean >> 8));
                    bytes = 0;
                    sum = 0;
                }
            }
        }
        kept.emit(used);
    }

    /** Found by its name in META-INF/services. */
    public static final class Factory implements FilterFactory {
        @Override
        public String type() {
            return "mean";
        }

        @Override
        public Supplier<Filter> configure(Settings settings) {
            long samples = settings.count("samples", 1, Integer.MAX_VALUE);
            return () -> new Mean(samples);
        }
    }
}
