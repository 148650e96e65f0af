// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import dev.sluice.control.Outcome;
import dev.sluice.control.PipelineSystem;
import dev.sluice.metrics.LiveLine;
import java.io.Console;
import java.io.PrintStream;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.IntSupplier;
import java.util.function.ToIntFunction;

/** Runs something for as long as the command lasts; SIGTERM and Ctrl-C end it, and what became of it is still reported. */
final class Foreground {

    /** What reaping, closing and reporting may take once the drain time-out is over. */
    private static final Duration AFTER_DRAIN = Duration.ofSeconds(15);

    private static final String ERASE_LINE = "\r\033[K";

    private Foreground() {}

    /**
     * Waits for the end.
     *
     * @param live whether to show figures once a second, on standard error
     * @param report tells the user the outcome and returns the exit status
     */
    static int run(PipelineSystem system, boolean live, ToIntFunction<Outcome> report) {
        return run(
                system::drain, system.drainTimeout().plus(AFTER_DRAIN), () -> report.applyAsInt(await(system, live)));
    }

    /**
     * Runs something that says at its end what became of it.
     *
     * @param stop called by another thread when the process is told to end
     * @param atMost what the rest may take then
     * @param program returns the exit status
     */
    static int run(Runnable stop, Duration atMost, IntSupplier program) {
        CompletableFuture<Integer> exit = new CompletableFuture<>();
        Runtime.getRuntime()
                .addShutdownHook(new Thread(
                        () -> {
                            stop.run();
                            // The status is ours to say: the virtual machine would make it 128 + the signal's number.
                            Runtime.getRuntime().halt(await(exit, atMost));
                        },
                        "drain"));
        int status = Main.EXIT_FAILED;
        try {
            status = program.getAsInt();
        } finally {
            exit.complete(status);
        }
        return status;
    }

    private static int await(CompletableFuture<Integer> exit, Duration atMost) {
        try {
            return exit.get(atMost.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException | ExecutionException | TimeoutException e) {
            System.err.println("sluice: did not stop within " + atMost.toMillis() + " ms; what was left is not known");
            return Main.EXIT_FAILED;
        }
    }

    @SuppressWarnings("SystemConsoleNull") // it is null in Java 25 when input or output is redirected
    private static Outcome await(PipelineSystem system, boolean live) {
        Console console = System.console();
        boolean overwrite = console != null && console.isTerminal();
        PrintStream err = System.err;
        LiveLine line = new LiveLine(system.counters());
        while (true) {
            try {
                Outcome outcome = system.outcome().get(1, TimeUnit.SECONDS);
                if (live && overwrite) {
                    err.print(ERASE_LINE);
                }
                return outcome;
            } catch (TimeoutException e) {
                if (live) {
                    String figures = line.next();
                    // Back at the line's start, so that what is logged meanwhile is written over the figures.
                    err.print(overwrite ? ERASE_LINE + figures + "\r" : figures + System.lineSeparator());
                    err.flush();
                }
            } catch (InterruptedException e) {
                system.drain();
            } catch (ExecutionException e) {
                throw new IllegalStateException(e.getCause());
            }
        }
    }
}
