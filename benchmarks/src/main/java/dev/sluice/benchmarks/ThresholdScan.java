// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks;

import com.typesafe.config.ConfigFactory;
import dev.sluice.filter.Filter;
import dev.sluice.filter.FilterFactory;
import dev.sluice.filter.Frame;
import dev.sluice.filter.Kept;
import dev.sluice.filter.Problems;
import dev.sluice.filter.Settings;
import dev.sluice.filter.Threshold;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * The threshold filter on frames of 1 MiB of s16 samples, and its rivals: loops over a {@code long[]} of the same bytes.
 * An operation is a byte, so operations per nanosecond are GB/s.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@OperationsPerInvocation(ThresholdScan.FRAME_BYTES)
public class ThresholdScan {

    static final int FRAME_BYTES = 1 << 20;
    private static final int ABOVE = 20_000;

    /** Samples of which one triggers; 0: none does, and all must be looked at. */
    @Param({"0", "1000"})
    public int triggerEvery;

    private final MemorySegment memory = Arena.global().allocate(FRAME_BYTES, 4096);
    private final long[] words = new long[FRAME_BYTES / Long.BYTES];
    private Filter threshold = (seen, kept) -> {};
    private final OneSlice frame = new OneSlice(memory.asReadOnly());
    private final Counting kept = new Counting();

    @Setup
    public void fill() {
        SplittableRandom random = new SplittableRandom(1);
        ValueLayout.OfShort s16 = ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < FRAME_BYTES / Short.BYTES; i++) {
            boolean triggers = triggerEvery > 0 && random.nextInt(triggerEvery) == 0;
            memory.setAtIndex(s16, i, (short) (triggers ? ABOVE + 1 : random.nextInt(-ABOVE, ABOVE + 1)));
        }
        MemorySegment.copy(memory, ValueLayout.JAVA_LONG, 0, words, 0, words.length);
        threshold = made("above = " + ABOVE);
    }

    private static Filter made(String settings) {
        FilterFactory factory = new Threshold.Factory();
        Problems problems = new Problems();
        Filter filter = factory.configure(new Settings(
                        "filters.benchmark",
                        ConfigFactory.parseString(settings).root(),
                        ConfigFactory.defaultReference().getObject("sluice.defaults.filters.threshold"),
                        problems))
                .get();
        if (!problems.isEmpty()) {
            throw new IllegalStateException(problems.sorted().toString());
        }
        return filter;
    }

    @Benchmark
    public long threshold() throws Exception {
        threshold.filter(frame, kept);
        return kept.bytes;
    }

    /** Reads everything and does next to nothing with it. */
    @Benchmark
    public long plainSum() {
        long sum = 0;
        for (long word : words) {
            sum += word;
        }
        return sum;
    }

    /** One comparison per 64-bit word, where the filter makes one per sample, four times as many. */
    @Benchmark
    public long plainMax() {
        long most = Long.MIN_VALUE;
        for (long word : words) {
            most = Math.max(most, word);
        }
        return most;
    }

    /** What goes on is only counted. */
    private static final class Counting implements Kept {

        private long bytes;

        @Override
        public void keep(long offset, long length) {
            bytes += length;
        }

        @Override
        public MemorySegment scratch() {
            throw new UnsupportedOperationException();
        }

        @Override
        public void emit(long length) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void tag(int number) {
            throw new UnsupportedOperationException();
        }
    }

    /** A frame as the first filter of a chain sees it. */
    private record OneSlice(MemorySegment memory) implements Frame {
        @Override
        public long size() {
            return FRAME_BYTES;
        }

        @Override
        public int sliceCount() {
            return 1;
        }

        @Override
        public MemorySegment memory(int index) {
            return memory;
        }

        @Override
        public long sliceOffset(int index) {
            return 0;
        }

        @Override
        public long sliceLength(int index) {
            return FRAME_BYTES;
        }

        @Override
        public long sequence() {
            return 0;
        }

        @Override
        public long timeNanos() {
            return 0;
        }

        @Override
        public long sourceOffset() {
            return 0;
        }

        @Override
        public long lostBytes() {
            return 0;
        }
    }
}
