// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.compare;

import java.io.IOException;

/** What {@code benchmarks/run} starts: it ends well, or with a sentence on standard error and a status. */
@FunctionalInterface
interface Command {

    int EXIT_FAILED = 1;
    int EXIT_USAGE = 64;

    /** @throws IllegalArgumentException if the command line is wrong */
    void run() throws IOException, InterruptedException;

    /** To the end of the process, if it fails. */
    static void run(Command command) {
        try {
            command.run();
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
}
