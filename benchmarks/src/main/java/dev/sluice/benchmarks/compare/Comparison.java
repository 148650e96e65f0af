// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.compare;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/**
 * All rivals with all frame sizes, one at a time, in another order in each round, so that what else the machine does falls
 * on all alike.
 *
 * <p>Exit status: 0 all were measured, or left out with a sentence; 1 one failed, or bytes of its stream did not arrive; 64
 * the command line is wrong.
 */
public final class Comparison {

    private static final int EXIT_FAILED = 1;
    private static final int EXIT_USAGE = 64;

    private static final int RANDOM_BYTES = 1 << 20;

    private final Settings settings;
    private final PrintStream people;
    private final List<Run> runs = new ArrayList<>();

    /** One rival with one frame size, and what its rounds came to. */
    private static final class Run {

        final Rival rival;
        final int frameBytes;
        final Path ring;
        final List<Measurement> rounds = new ArrayList<>();

        /** Why it cannot be had here; empty if it can. */
        String leftOut = "";

        Run(Rival rival, int frameBytes, Path ring) {
            this.rival = rival;
            this.frameBytes = frameBytes;
            this.ring = ring;
        }
    }

    /**
     * What to do; checked by {@code benchmarks/run}.
     *
     * @param programs folder of the programs in C
     * @param command as it was typed
     */
    private record Settings(
            Path programs,
            boolean json,
            Course.Pace pace,
            int rounds,
            long seed,
            List<Integer> frameBytes,
            List<Rival> rivals,
            String command) {

        static Settings read(String[] args) {
            List<Rival> rivals = new ArrayList<>(Rivals.all());
            if (!args[6].isEmpty()) {
                List<String> wanted = List.of(args[6].split(","));
                List<String> names = rivals.stream().map(Rival::name).toList();
                wanted.stream()
                        .filter(name -> !names.contains(name))
                        .findFirst()
                        .ifPresent(unknown -> {
                            throw new IllegalArgumentException(
                                    "there is no rival \"" + unknown + "\"; write some of " + String.join(",", names));
                        });
                rivals.removeIf(rival -> !wanted.contains(rival.name()));
            }
            return new Settings(
                    Path.of(args[0]),
                    args[1].equals("json"),
                    args[2].equals("quick") ? Course.Pace.QUICK : Course.Pace.FULL,
                    Integer.parseInt(args[3]),
                    Long.parseLong(args[4]),
                    Arrays.stream(args[5].split(",")).map(Integer::valueOf).toList(),
                    rivals,
                    args[7]);
        }
    }

    private Comparison(Settings settings) {
        this.settings = settings;
        people = settings.json() ? System.err : System.out;
    }

    /** @param args programs, json or text, quick or full, rounds, seed, frame sizes, rivals or nothing for all, command */
    public static void main(String[] args) {
        try {
            new Comparison(Settings.read(args)).run();
        } catch (IllegalArgumentException e) {
            fail(EXIT_USAGE, String.valueOf(e.getMessage()));
        } catch (IOException e) {
            fail(EXIT_FAILED, String.valueOf(e.getMessage()));
        } catch (InterruptedException e) {
            fail(EXIT_FAILED, "interrupted");
        }
    }

    private static void fail(int status, String sentence) {
        System.err.println("benchmarks/run: " + sentence);
        System.exit(status);
    }

    private void run() throws IOException, InterruptedException {
        people.print(Machine.text());
        people.printf(
                "command      %s%nring         %d buffers of /dev/shm; rounds %d, shuffled; seed %d%n%n",
                settings.command(), Course.BUFFERS, settings.rounds(), settings.seed());
        List<Path> rings = new ArrayList<>();
        try {
            for (int frameBytes : settings.frameBytes()) {
                Path ring = ring(frameBytes);
                rings.add(ring);
                settings.rivals().forEach(rival -> runs.add(new Run(rival, frameBytes, ring)));
            }
            Course course = new Course(settings.programs(), settings.pace());
            Random random = new Random(settings.seed());
            for (int round = 1; round <= settings.rounds(); round++) {
                System.err.printf("round %d of %d%n", round, settings.rounds());
                round(course, random);
            }
        } finally {
            for (Path ring : rings) {
                Files.deleteIfExists(ring);
            }
        }
        report();
    }

    /** Page-backed memory, as a device's buffers are, that every rival can map and send a file of. */
    private static Path ring(int frameBytes) throws IOException {
        Path ring = Files.createTempFile(Path.of("/dev/shm"), "sluice-benchmark", ".ring");
        ring.toFile().deleteOnExit(); // also when it is interrupted
        byte[] some = new byte[RANDOM_BYTES];
        new Random(1).nextBytes(some);
        try (OutputStream file = Files.newOutputStream(ring)) {
            for (long left = (long) Course.BUFFERS * frameBytes; left > 0; left -= some.length) {
                file.write(some, 0, (int) Math.min(left, some.length));
            }
        }
        return ring;
    }

    private void round(Course course, Random random) throws IOException, InterruptedException {
        List<Run> shuffled = new ArrayList<>(runs);
        Collections.shuffle(shuffled, random);
        for (Run run : shuffled) {
            if (run.leftOut.isEmpty()) {
                try {
                    run.rounds.add(course.run(run.rival, run.ring, run.frameBytes));
                } catch (UnavailableException e) {
                    run.leftOut = String.valueOf(e.getMessage());
                }
            }
        }
    }

    private void report() {
        List<Result> results = runs.stream()
                .filter(run -> run.leftOut.isEmpty())
                .map(run -> Result.of(run.rival, run.frameBytes, run.rounds))
                .toList();
        if (settings.json()) {
            results.forEach(result -> System.out.println(result.json()));
        } else {
            for (int frameBytes : settings.frameBytes()) {
                System.out.println(Table.of(
                        frameBytes,
                        results.stream()
                                .filter(result -> result.frameBytes() == frameBytes)
                                .toList()));
            }
            System.out.println(Table.LEGEND);
        }
        runs.stream()
                .filter(run -> !run.leftOut.isEmpty())
                .forEach(run -> people.printf(
                        "left out: %s, frames of %s: %s%n", run.rival.name(), Table.size(run.frameBytes), run.leftOut));
    }
}
