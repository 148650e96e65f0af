// SPDX-License-Identifier: Apache-2.0
package dev.sluice.testkit;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigParseOptions;
import dev.sluice.device.FedDevice;
import dev.sluice.device.FrameBatch;
import dev.sluice.filter.Filter;
import dev.sluice.filter.FilterFactory;
import dev.sluice.filter.Frame;
import dev.sluice.filter.Kept;
import dev.sluice.filter.Problems;
import dev.sluice.filter.Settings;
import dev.sluice.metrics.SourceCounters;
import dev.sluice.stream.FilterException;
import dev.sluice.stream.FilterRunner;
import dev.sluice.stream.FramePool;
import dev.sluice.stream.LentFrame;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * One filter, fed frame by frame, as the pipeline feeds it:
 *
 * <pre>{@code
 * try (FilterTester tester = FilterTester.of(new FirstHalf(), "share = 0.5")) {
 *     assertArrayEquals(new byte[] {1, 2}, tester.frame(new byte[] {1, 2, 3, 4}).getFirst().bytes());
 * }
 * }</pre>
 *
 * <p>Frames that went on stay in use for a while, as they do while the network sends them, and their buffers are then
 * overwritten. It is checked that a filter does not change what has gone on, and when the tester is closed, that every
 * buffer has come home; a filter that breaks the rules of {@link dev.sluice.filter.Kept} fails with the message that it
 * would end a pipeline with. One thread.
 */
public final class FilterTester implements AutoCloseable {

    /** Frames that went on are in use until so many more have: a share of the buffers. */
    private static final int IN_USE_SHARE = 4;

    private final FedDevice device;
    private final FramePool pool;
    private final int mostFrameBytes;

    /** The first does what an earlier filter of a chain would do; the others are under test. */
    private final List<FilterRunner> runners = new ArrayList<>();

    private final FrameBatch batch = new FrameBatch(1);
    private final ArrayDeque<LentFrame> inUse = new ArrayDeque<>();
    private final ArrayDeque<Output> asTheyWent = new ArrayDeque<>();
    private List<byte[]> nextSlices = List.of();
    private boolean finished;

    /**
     * A frame that went on.
     *
     * @param sequence of the frame that the filter saw
     * @param lostBytes announced with it
     * @param tags flags set, as bits
     * @param slices its parts, in order
     */
    public record Output(long sequence, long lostBytes, int tags, List<Slice> slices) {
        /** All parts, end to end. */
        public byte[] bytes() {
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            slices.forEach(slice -> all.writeBytes(slice.bytes()));
            return all.toByteArray();
        }
    }

    /**
     * A part of a frame.
     *
     * @param offset where it starts in the frame, or in the scratch memory if it was emitted
     * @param emitted whether it is the filter's own
     * @param bytes what is in it
     */
    @SuppressWarnings("ArrayRecordComponent") // compared by nobody
    public record Slice(long offset, boolean emitted, byte[] bytes) {}

    /** A chain of filters, in the order in which frames pass them; names are for messages. */
    FilterTester(List<String> names, List<Supplier<Filter>> makers, int buffers, int mostFrameBytes) {
        try {
            int page = 4096;
            this.mostFrameBytes = mostFrameBytes;
            // Twice as long, so that slices find room for what is left out between them.
            device = new FedDevice("test", buffers, (2L * mostFrameBytes + page - 1) / page * page);
            pool = new FramePool(device, new SourceCounters());
            runners.add(new FilterRunner("before it", () -> this::keepSlices, pool, pool.mostFrameBytes()));
            long most = mostFrameBytes;
            for (int i = 0; i < makers.size(); i++) {
                runners.add(new FilterRunner(names.get(i), makers.get(i), pool, most));
                most = runners.getLast().mostFrameBytes();
            }
            device.start();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (FilterException e) {
            throw new AssertionError(e.getMessage(), e);
        }
    }

    /** A filter from its node's settings, such as {@code "length = 1KiB"}, with 16 buffers of 64 KiB. */
    public static FilterTester of(FilterFactory factory, String settings) {
        return of(factory, settings, 16, 1 << 16);
    }

    /**
     * A filter from its node's settings.
     *
     * @param buffers of the source
     * @param mostFrameBytes the most bytes that a frame has
     * @throws AssertionError with all that is wrong with the settings
     */
    public static FilterTester of(FilterFactory factory, String settings, int buffers, int mostFrameBytes) {
        Problems problems = new Problems();
        Supplier<Filter> maker = configure(factory, settings, problems);
        if (!problems.isEmpty()) {
            throw new AssertionError(String.join("\n", texts(problems)));
        }
        return new FilterTester(List.of("under test"), List.of(maker), buffers, mostFrameBytes);
    }

    /** A filter that is made already, with 16 buffers of 64 KiB. */
    public static FilterTester of(Filter filter) {
        return of(filter, 16, 1 << 16);
    }

    /** A filter that is made already. */
    public static FilterTester of(Filter filter, int buffers, int mostFrameBytes) {
        return new FilterTester(List.of("under test"), List.of(() -> filter), buffers, mostFrameBytes);
    }

    /** All that a filter's factory says about settings, without the place; nothing if they are right. */
    public static List<String> problems(FilterFactory factory, String settings) {
        Problems problems = new Problems();
        configure(factory, settings, problems);
        return texts(problems);
    }

    private static List<String> texts(Problems problems) {
        return problems.sorted().stream().map(Problems.Problem::text).toList();
    }

    private static Supplier<Filter> configure(FilterFactory factory, String settings, Problems problems) {
        ConfigObject given = ConfigFactory.parseString(
                        settings, ConfigParseOptions.defaults().setOriginDescription("settings"))
                .resolve()
                .root();
        Config reference = ConfigFactory.defaultReference(factory.getClass().getClassLoader());
        String path = "sluice.defaults.filters." + factory.type();
        ConfigObject defaults = reference.hasPath(path)
                ? reference.getObject(path)
                : ConfigFactory.empty().root();
        Settings read = new Settings("filters.tested", given, defaults, problems);
        Supplier<Filter> maker = factory.configure(read);
        read.finish();
        return maker;
    }

    /** Feeds the next frame. Returns the frames that go on now: this one, earlier ones that waited, or none. */
    public List<Output> frame(byte[] bytes) {
        return frame(bytes, 0);
    }

    /** Feeds the next frame, before which {@code lostBytes} bytes were lost. */
    public List<Output> frame(byte[] bytes, long lostBytes) {
        return frame(lostBytes, TimeUnit.MILLISECONDS.toNanos(System.currentTimeMillis()), bytes);
    }

    /**
     * Feeds the next frame in one or more slices, as a filter sees it that comes after another, before which {@code
     * lostBytes} bytes were lost, and which was completed at {@code timeNanos}.
     */
    public List<Output> frame(long lostBytes, long timeNanos, byte[]... slices) {
        if (finished) {
            throw new IllegalStateException("the stream was finished");
        }
        long size = Arrays.stream(slices).mapToLong(slice -> slice.length).sum();
        if (size == 0 || size > mostFrameBytes) {
            throw new IllegalArgumentException("a frame has 1 to " + mostFrameBytes + " bytes here, not " + size);
        }
        if (Arrays.stream(slices).anyMatch(slice -> slice.length == 0)) {
            throw new IllegalArgumentException("a slice has at least 1 byte");
        }
        try {
            nextSlices = List.of(slices);
            if (!device.fill(MemorySegment.ofArray(apart(nextSlices)), lostBytes, timeNanos)) {
                throw new AssertionError("no buffer is free: the filter holds on to all " + pool.size());
            }
            device.acquire(batch);
            List<Output> outputs = new ArrayList<>();
            pass(0, pool.lend(batch, 0), outputs);
            while (inUse.size() > pool.size() / IN_USE_SHARE) {
                releaseOldest();
            }
            pool.flush();
            return outputs;
        } catch (FilterException e) {
            throw new AssertionError(e.getMessage(), e);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** With a byte between slices that no filter sees. */
    private static byte[] apart(List<byte[]> slices) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] slice : slices) {
            if (all.size() > 0) {
                all.write(FedDevice.POISON);
            }
            all.writeBytes(slice);
        }
        return all.toByteArray();
    }

    private void keepSlices(Frame frame, Kept kept) {
        long at = 0;
        for (byte[] slice : nextSlices) {
            kept.keep(at, slice.length);
            at += slice.length + 1;
        }
    }

    /** Ends the stream. Returns the frames that waited for what would come. */
    public List<Output> finish() {
        finished = true;
        List<Output> outputs = new ArrayList<>();
        try {
            for (int i = 0; i < runners.size(); i++) {
                runners.get(i).finish();
                passOn(i, outputs);
            }
        } catch (FilterException e) {
            throw new AssertionError(e.getMessage(), e);
        }
        return outputs;
    }

    /** Through the filter with this number and those behind it. */
    private void pass(int number, LentFrame frame, List<Output> outputs) throws FilterException {
        if (number < runners.size()) {
            runners.get(number).accept(frame);
            passOn(number, outputs);
        } else {
            Output output = output(frame);
            inUse.addLast(frame);
            asTheyWent.addLast(output);
            outputs.add(output);
        }
    }

    private void passOn(int number, List<Output> outputs) throws FilterException {
        FilterRunner runner = runners.get(number);
        for (LentFrame next = runner.next(); next != null; next = runner.next()) {
            pass(number + 1, next, outputs);
        }
    }

    private static Output output(LentFrame frame) {
        List<Slice> slices = new ArrayList<>();
        for (int i = 0; i < frame.sliceCount(); i++) {
            byte[] bytes = frame.memory(i)
                    .asSlice(frame.sliceOffset(i), frame.sliceLength(i))
                    .toArray(ValueLayout.JAVA_BYTE);
            slices.add(new Slice(frame.sliceOffset(i), frame.sliceEmitted(i), bytes));
        }
        return new Output(frame.sequence(), frame.lostBytes(), frame.tags(), List.copyOf(slices));
    }

    private void releaseOldest() {
        LentFrame frame = inUse.removeFirst();
        byte[] then = asTheyWent.removeFirst().bytes();
        byte[] now = output(frame).bytes();
        frame.release();
        int changed = Arrays.mismatch(then, now);
        if (changed >= 0) {
            throw new AssertionError("frame " + frame.sequence() + " was changed after it had gone on, at byte "
                    + changed + ": the network may have been reading it");
        }
    }

    /** Ends the filter and looks whether all is in order. */
    @Override
    public void close() {
        try {
            while (!inUse.isEmpty()) {
                releaseOldest();
            }
            runners.forEach(FilterRunner::releaseAll);
            pool.flush();
            int missing = device.counts().lent();
            if (missing > 0) {
                throw new AssertionError(missing + " buffers did not come home");
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } finally {
            runners.forEach(FilterRunner::close);
            device.close();
        }
    }
}
