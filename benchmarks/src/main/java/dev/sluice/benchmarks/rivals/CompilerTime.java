// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.rivals;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What this JVM's compilers did. Its own count ({@code CompilationMXBean}) has what they have finished, and a method can take
 * them a second.
 */
final class CompilerTime {

    private static final Path TASKS = Path.of("/proc/self/task");

    private CompilerTime() {}

    /** Processor time of their threads so far, in ns: the first number of {@code schedstat} (proc(5)). */
    static long nanos() throws IOException {
        long nanos = 0;
        try (DirectoryStream<Path> tasks = Files.newDirectoryStream(TASKS)) {
            for (Path task : tasks) {
                nanos += nanos(task);
            }
        }
        return nanos;
    }

    private static long nanos(Path task) {
        try {
            if (!Files.readString(task.resolve("comm")).matches("C[12] Compiler.*\\n")) {
                return 0;
            }
            String times = Files.readString(task.resolve("schedstat"));
            return Long.parseLong(times.substring(0, times.indexOf(' ')));
        } catch (IOException e) {
            return 0; // it has just ended
        }
    }
}
