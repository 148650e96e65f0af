// SPDX-License-Identifier: Apache-2.0
package dev.sluice.chaos;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A {@code sluice} process, whose output goes to files. */
final class Program {

    private final Process process;
    private final Path out;
    private final long startedNanos = System.nanoTime();
    private boolean stopped;

    /** @param name of its files in the folder; what it says on standard error is added to what those before said */
    Program(Path folder, String name, List<String> arguments) throws IOException {
        out = folder.resolve(name + ".out");
        List<String> command = new ArrayList<>();
        command.add(System.getProperty("sluice.home") + "/bin/sluice");
        command.addAll(arguments);
        process = new ProcessBuilder(command)
                .redirectOutput(out.toFile())
                .redirectError(ProcessBuilder.Redirect.appendTo(
                        folder.resolve(name + ".err").toFile()))
                .start();
    }

    boolean isAlive() {
        return process.isAlive();
    }

    long ageMillis() {
        return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - startedNanos);
    }

    int exit() {
        return process.exitValue();
    }

    /** SIGKILL; returns when it is dead. */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    /** SIGSTOP, and SIGCONT. */
    void stop(boolean yes) throws IOException, InterruptedException {
        stopped = yes;
        signal(yes ? "STOP" : "CONT");
    }

    void signal(String name) throws IOException, InterruptedException {
        new ProcessBuilder("kill", "-s", name, String.valueOf(process.pid()))
                .redirectErrorStream(true)
                .start()
                .waitFor();
    }

    /** False if it goes on for longer than that. */
    boolean awaitEnd(long seconds) throws InterruptedException {
        return process.waitFor(seconds, TimeUnit.SECONDS);
    }

    /** The last line of its output, which must be JSON. */
    Config json() throws IOException {
        List<String> lines = Files.readAllLines(out);
        return ConfigFactory.parseString(lines.isEmpty() ? "{}" : lines.getLast());
    }

    /** However it is. */
    void end() throws IOException, InterruptedException {
        if (stopped && isAlive()) {
            stop(false);
        }
        kill();
    }
}
