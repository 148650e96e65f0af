// SPDX-License-Identifier: Apache-2.0
package dev.sluice;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.FutureTask;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;

/**
 * Hostile inputs, other ones in each run, for as long as a test says, or {@code -Dsluice.fuzz.inputs=N} of them. They come
 * in cases, which share what the inputs of one case meet. One that fails names its seed and {@code -Dsluice.seed=SEED} runs
 * its case alone. An input that does not end fails, too.
 */
public final class Fuzz {

    /** Far longer than any input takes, also on a machine with other things to do. */
    private static final Duration HANG = Duration.ofSeconds(30);

    private static final Logger LOG = (Logger) LoggerFactory.getLogger("dev.sluice");

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    /** So much of a message tells what it is about. */
    private static final int KIND = 32;

    private static final int MOST_KINDS = 40;

    private static final Pattern DETAIL = Pattern.compile("0x[0-9a-f]+|\"[^\"]*\"|-?[0-9]+");

    private Fuzz() {}

    /** Some inputs that belong together, all drawn from one source of chance. */
    @FunctionalInterface
    public interface Case {
        void run(RandomGenerator random, Tally tally) throws Exception;
    }

    /** What came of the inputs so far. */
    public static final class Tally {

        private final Map<String, Long> kinds = new TreeMap<>();
        private volatile long inputs;
        private boolean measures = true;
        private long allocatedBefore;
        private long mostAllocated;
        private volatile byte[] last = new byte[0];
        private volatile long seed;

        /** The next input; what is allocated from here on is its doing. */
        @SuppressWarnings("NonAtomicVolatileUpdate") // one thread writes
        public void begin(byte[] input) {
            inputs++;
            last = input;
            allocatedBefore = THREADS.getCurrentThreadAllocatedBytes();
        }

        /** It ended in one of the ways that are right; {@code kind} is a word or a message. */
        public void end(String kind, long mostBytes) {
            long allocated = THREADS.getCurrentThreadAllocatedBytes() - allocatedBefore;
            mostAllocated = Math.max(mostAllocated, allocated);
            check(
                    !measures || allocated <= mostBytes,
                    () -> "allocated " + allocated + " bytes, more than " + mostBytes);
            String plain = DETAIL.matcher(kind).replaceAll("#");
            kinds.merge(plain.substring(0, Math.min(plain.length(), KIND)), 1L, Long::sum);
        }
    }

    /** Cheaper than other assertions, for what is asserted a million times. */
    public static void check(boolean right, Supplier<String> otherwise) {
        if (!right) {
            throw new AssertionError(otherwise.get());
        }
    }

    /** An input ends well, or with one line that says why not. */
    public static void checkLine(@Nullable String message) {
        check(message != null && !message.isBlank() && message.indexOf('\n') < 0, () -> "not a line: " + message);
    }

    /**
     * One case, whose chances are what a coverage-guided fuzzer chose: for its entry points, {@code fuzzerTestOneInput}. See
     * {@code pipeline/test/fuzz}.
     */
    public static void guided(byte[] choices, Case test) throws Exception {
        LOG.setLevel(Level.OFF);
        Tally tally = new Tally();
        tally.measures = false; // the fuzzer changes classes as they are loaded, which allocates
        test.run(new GuidedChoices(choices), tally);
    }

    public static void run(String what, Duration time, Case test) throws Exception {
        Level level = LOG.getLevel();
        LOG.setLevel(Level.OFF); // each input is told there, and wrong on purpose
        Tally tally = new Tally();
        FutureTask<Void> all = new FutureTask<>(() -> runAll(what, time, test, tally), null);
        Thread worker = Thread.ofPlatform().daemon().name("fuzz").start(all);
        try {
            for (long done = -1; !worker.join(HANG); ) {
                long before = done;
                done = tally.inputs;
                check(
                        done != before,
                        () -> "no end after " + HANG.toSeconds() + " s, " + where(tally) + " at "
                                + Arrays.toString(worker.getStackTrace()));
            }
            all.get();
        } finally {
            LOG.setLevel(level);
        }
    }

    private static void runAll(String what, Duration time, Case test, Tally tally) {
        Long only = Long.getLong("sluice.seed");
        Long wanted = Long.getLong("sluice.fuzz.inputs");
        long first = only != null ? only : System.nanoTime();
        long began = System.nanoTime();
        System.out.printf("%s: from -Dsluice.seed=%d on%n", what, first);
        long seed = first;
        do {
            tally.seed = seed;
            try {
                test.run(new SplittableRandom(seed), tally);
            } catch (Throwable e) { // whatever it is, its input must be told
                throw new AssertionError(where(tally) + ": " + e, e);
            }
            seed++;
        } while (only == null && (wanted != null ? tally.inputs < wanted : System.nanoTime() - began < time.toNanos()));
        double seconds = (System.nanoTime() - began) / 1e9;
        System.out.printf(
                "%s: %,d inputs in %,d cases and %.1f s, at most %,d bytes allocated for one%n",
                what, tally.inputs, seed - first, seconds, tally.mostAllocated);
        tally.kinds.entrySet().stream()
                .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
                .limit(MOST_KINDS)
                .forEach(kind -> System.out.printf("%,14d  %s%n", kind.getValue(), kind.getKey()));
    }

    private static String where(Tally tally) {
        return "input " + tally.inputs + " with -Dsluice.seed=" + tally.seed + ": "
                + HexFormat.of().formatHex(tally.last);
    }
}
