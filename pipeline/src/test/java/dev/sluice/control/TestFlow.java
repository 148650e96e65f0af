// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import dev.sluice.filter.Frame;
import dev.sluice.filter.Settings;
import dev.sluice.flow.FlowFactory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.pekko.dispatch.Dispatchers;
import org.apache.pekko.stream.javadsl.Flow;

/** Type {@code test-flow}: flows that keep the rules, and such that do not. */
public final class TestFlow implements FlowFactory {

    /** What it does. */
    enum How {
        IDENTITY,
        NAMES_THREADS,
        ASYNC,
        MAP_ASYNC,
        UNORDERED,
        DROP_ODD,
        DROP_ODD_LATER,
        DROP_ODD_SILENTLY,
        DROP_ALL,
        TAKE_10,
        TAKE_NONE,
        FAIL,
        FAIL_LATER,
        FAIL_WHILE_READ,
        TWICE,
        SWAPPED,
        INVENT,
        IS_NULL,
        CANNOT_BE_MADE
    }

    private static final ExecutorService READERS =
            Executors.newCachedThreadPool(Thread.ofPlatform().daemon().factory());

    /** Frames read by FAIL_WHILE_READ, and those that changed meanwhile. */
    static final AtomicInteger READ = new AtomicInteger();

    static final AtomicInteger CHANGED = new AtomicInteger();

    /** Those that NAMES_THREADS ran on. */
    static final Set<String> THREADS = ConcurrentHashMap.newKeySet();

    private static Frame nameThread(Frame frame) {
        THREADS.add(Thread.currentThread().getName());
        return frame;
    }

    @Override
    public String type() {
        return "test-flow";
    }

    @Override
    public Function<Consumer<Frame>, Flow<Frame, Frame, ?>> configure(Settings settings) {
        How how = settings.choice("how", How.class);
        return dropped -> flow(how, dropped);
    }

    private static Flow<Frame, Frame, ?> flow(How how, Consumer<Frame> dropped) {
        Flow<Frame, Frame, ?> frames = Flow.of(Frame.class);
        return switch (how) {
            case IDENTITY -> frames;
            case NAMES_THREADS ->
                frames.map(TestFlow::nameThread)
                        .async(Dispatchers.DefaultBlockingDispatcherId())
                        .map(TestFlow::nameThread);
            case ASYNC -> frames.async().map(frame -> frame).async();
            case MAP_ASYNC -> frames.mapAsync(4, frame -> later(frame, 3 - frame.sequence() % 4));
            case UNORDERED -> frames.mapAsyncUnordered(4, frame -> later(frame, frame.sequence() == 20 ? 200 : 0));
            case DROP_ODD ->
                frames.filter(frame -> {
                    if (odd(frame)) {
                        dropped.accept(frame);
                    }
                    return !odd(frame);
                });
            case DROP_ODD_LATER ->
                frames.mapAsync(3, frame -> later(frame, frame.sequence() % 3))
                        .async()
                        .mapConcat(frame -> {
                            if (odd(frame)) {
                                dropped.accept(frame);
                                return List.of();
                            }
                            return List.of(frame);
                        });
            case DROP_ODD_SILENTLY -> frames.filterNot(TestFlow::odd);
            case DROP_ALL ->
                frames.filter(frame -> {
                    dropped.accept(frame);
                    return false;
                });
            case TAKE_10 -> frames.take(10);
            case TAKE_NONE -> frames.take(0);
            case FAIL ->
                frames.map(frame -> {
                    if (frame.sequence() == 20) {
                        throw new IllegalStateException("the other system is down");
                    }
                    return frame;
                });
            case FAIL_LATER ->
                frames.mapAsync(
                        4,
                        frame -> frame.sequence() == 20
                                ? CompletableFuture.failedFuture(new IllegalStateException("the other system is down"))
                                : later(frame, 1));
            case FAIL_WHILE_READ ->
                frames.mapAsync(
                        4,
                        frame -> frame.sequence() == 20
                                ? CompletableFuture.failedFuture(new IllegalStateException("the other system is down"))
                                : CompletableFuture.supplyAsync(() -> read(frame), READERS));
            case TWICE -> frames.mapConcat(frame -> frame.sequence() == 20 ? List.of(frame, frame) : List.of(frame));
            case SWAPPED ->
                frames.statefulMapConcat(() -> {
                    Frame[] held = new Frame[1];
                    return frame -> {
                        if (frame.sequence() == 20) {
                            held[0] = frame;
                            return List.of();
                        }
                        return frame.sequence() == 21 ? List.of(frame, held[0]) : List.of(frame);
                    };
                });
            case INVENT -> frames.map(frame -> frame.sequence() == 20 ? new Invented() : frame);
            case IS_NULL -> null;
            case CANNOT_BE_MADE -> throw new StackOverflowError("no address found");
        };
    }

    private static boolean odd(Frame frame) {
        return frame.sequence() % 2 == 1;
    }

    private static CompletableFuture<Frame> later(Frame frame, long millis) {
        CompletableFuture<Frame> later = new CompletableFuture<>();
        CompletableFuture.delayedExecutor(millis, TimeUnit.MILLISECONDS).execute(() -> later.complete(frame));
        return later;
    }

    /** A frame that no device filled. */
    private static final class Invented implements Frame {
        private final MemorySegment memory = Arena.ofAuto().allocate(8);

        @Override
        public long size() {
            return 8;
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
            return 8;
        }

        @Override
        public long sequence() {
            return 20;
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

    /** Reads the frame again and again for longer than the pipeline takes to end, and notes if it changes meanwhile. */
    private static Frame read(Frame frame) {
        MemorySegment memory = frame.memory(0);
        long first = memory.get(ValueLayout.JAVA_LONG, 0);
        long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(frame.sequence() < 17 ? 1 : 500);
        while (System.nanoTime() < until) {
            if (memory.get(ValueLayout.JAVA_LONG, 0) != first) {
                CHANGED.incrementAndGet();
                break;
            }
        }
        READ.incrementAndGet();
        return frame;
    }
}
