// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.compare;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/** One rival with one shape, and what its rounds came to. */
final class Run {

    private static final int RANDOM_BYTES = 1 << 20;

    final Rival rival;
    final Shape shape;
    private final List<Measurement> rounds = new ArrayList<>();

    /** Why it cannot be had here; empty if it can. */
    private String leftOut = "";

    Run(Rival rival, Shape shape) {
        this.rival = rival;
        this.shape = shape;
    }

    /** All of them in each round, in another order in each, so that what else the machine does falls on all alike. */
    static void all(List<Run> runs, Path programs, Course.Pace pace, int rounds, long seed)
            throws IOException, InterruptedException {
        Path ring =
                ring(runs.stream().mapToLong(run -> run.shape.ringBytes()).max().orElse(0));
        try {
            Course course = new Course(programs, pace, ring);
            Random random = new Random(seed);
            for (int round = 1; round <= rounds; round++) {
                System.err.printf("round %d of %d%n", round, rounds);
                List<Run> shuffled = new ArrayList<>(runs);
                Collections.shuffle(shuffled, random);
                for (Run run : shuffled) {
                    run.once(course);
                }
            }
        } finally {
            Files.deleteIfExists(ring);
        }
    }

    /** Page-backed memory, as a device's buffers are, that every rival can map and send a file of; each uses its begin. */
    private static Path ring(long bytes) throws IOException {
        Path ring = Files.createTempFile(Path.of("/dev/shm"), "sluice-benchmark", ".ring");
        ring.toFile().deleteOnExit(); // also when it is interrupted
        byte[] some = new byte[RANDOM_BYTES];
        new Random(1).nextBytes(some);
        try (OutputStream file = Files.newOutputStream(ring)) {
            for (long left = bytes; left > 0; left -= some.length) {
                file.write(some, 0, (int) Math.min(left, some.length));
            }
        }
        return ring;
    }

    private void once(Course course) throws IOException, InterruptedException {
        if (leftOut.isEmpty()) {
            try {
                rounds.add(course.run(rival, shape));
            } catch (UnavailableException e) {
                leftOut = String.valueOf(e.getMessage());
            }
        }
    }

    String leftOut() {
        return leftOut;
    }

    boolean wasMeasured() {
        return leftOut.isEmpty();
    }

    Result result() {
        return Result.of(rival, shape.frameBytes(), rounds);
    }
}
