// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigSyntax;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The application as a user starts it, or a program it works with, in a process of its own. What it prints is read as it
 * comes; waiting for it fails after {@value #PATIENCE_SECONDS} s with all that was printed. The process, and its
 * children, are gone after {@link #close}.
 */
final class SluiceProcess implements AutoCloseable {

    static final int PATIENCE_SECONDS = 120;

    private static final Pattern LOG_LINE = Pattern.compile("\\d\\d:\\d\\d:\\d\\d\\.\\d{3} (INFO|WARN) .*");

    private final List<String> command;
    private final Process process;
    private final Lines out;
    private final Lines err;

    /** Its children when it was last sent a signal: once it is dead nothing leads to them any more. */
    private final Set<ProcessHandle> children = new HashSet<>();

    /** What a process that ended by itself left behind. */
    record Ended(int exit, List<String> out, List<String> err) {

        /** Standard error without the log's INFO and WARN lines: what went wrong, in the end. */
        List<String> complaints() {
            return err.stream()
                    .filter(line -> !LOG_LINE.matcher(line).matches())
                    .toList();
        }

        /** The last line of standard output, which must be one JSON object. */
        Config json() {
            assertThat(out).as("standard output; standard error was %s", err).isNotEmpty();
            return SluiceProcess.json(out.getLast());
        }

        String text() {
            return String.join("\n", out);
        }
    }

    /** Starts {@code sluice} with these arguments. */
    static SluiceProcess start(String... arguments) {
        List<String> command = new ArrayList<>(sluice());
        command.addAll(List.of(arguments));
        return program(new ProcessBuilder(command));
    }

    /**
     * Starts {@code sluice} under strace (man 1 strace).
     *
     * @param trace gets a line for each of these calls
     * @param options of strace, besides
     */
    static SluiceProcess traced(Path trace, String calls, List<String> options, String... arguments) {
        List<String> command = new ArrayList<>(List.of("strace", "-f", "--seccomp-bpf", "-qq", "-o", trace.toString()));
        command.addAll(List.of("-e", "trace=" + calls, "-e", "signal=none"));
        command.addAll(options);
        command.addAll(sluice());
        command.addAll(List.of(arguments));
        return program(new ProcessBuilder(command));
    }

    /** The command line up to the arguments. */
    static List<String> sluice() {
        Path target = home().resolve("target");
        return List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-cp",
                target.resolve("sluice-pipeline.jar") + ":" + target.resolve("lib") + "/*",
                "dev.sluice.cli.Main");
    }

    /** Starts any program. */
    static SluiceProcess program(ProcessBuilder builder) {
        try {
            return new SluiceProcess(builder.command(), builder.start());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Starts {@code sluice}, waits for its end. */
    static Ended run(String... arguments) {
        try (SluiceProcess sluice = start(arguments)) {
            return sluice.end();
        }
    }

    /** The module's folder. */
    static Path home() {
        String home = System.getProperty("sluice.home");
        assertThat(home).as("system property sluice.home, which failsafe sets").isNotNull();
        return Path.of(home);
    }

    /** A port on the loopback address that was free a moment ago. */
    static int freePort() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Reads strict JSON, which a HOCON parser would otherwise be too kind to. */
    static Config json(String line) {
        return ConfigFactory.parseString(line, ConfigParseOptions.defaults().setSyntax(ConfigSyntax.JSON));
    }

    private SluiceProcess(List<String> command, Process process) {
        this.command = command;
        this.process = process;
        this.out = new Lines(process.inputReader(), "stdout");
        this.err = new Lines(process.errorReader(), "stderr");
    }

    /** Of {@code receive --json}: where it listens. */
    String listening() {
        return json(awaitOut("^.*\"listening\".*$").group()).getString("listening");
    }

    /** Waits for a line of standard output in which the pattern is found. */
    Matcher awaitOut(String pattern) {
        return await(out, pattern, 1);
    }

    /** Waits for a line of standard error in which the pattern is found. */
    Matcher awaitErr(String pattern) {
        return await(err, pattern, 1);
    }

    /** Waits until the pattern was found in that many lines of standard error. */
    Matcher awaitErr(String pattern, int times) {
        return await(err, pattern, times);
    }

    /** How many lines of standard error the pattern is found in so far. */
    int countErr(String pattern) {
        Pattern wanted = Pattern.compile(pattern);
        return Math.toIntExact(
                err.all().stream().filter(line -> wanted.matcher(line).find()).count());
    }

    private Matcher await(Lines lines, String pattern, int times) {
        Matcher found = lines.await(Pattern.compile(pattern), times);
        return found != null ? found : fail("no line with \"" + pattern + "\" (" + times + " times) came: " + this);
    }

    /** Waits until it has ended by itself and all it printed was read. */
    Ended end() {
        try {
            if (!process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
                fail("did not end: " + this);
            }
            out.awaitEnd();
            err.awaitEnd();
            return new Ended(process.exitValue(), out.all(), err.all());
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    long pid() {
        return process.pid();
    }

    boolean isAlive() {
        return process.isAlive();
    }

    /** SIGTERM. By the handle: {@link Process#destroy} would close the streams as well, and with them what it says then. */
    void terminate() {
        process.descendants().forEach(children::add);
        process.toHandle().destroy();
    }

    /** SIGKILL; returns when it is dead. */
    void kill() {
        process.descendants().forEach(children::add);
        process.toHandle().destroyForcibly();
        end();
    }

    /** A signal by name, to the process alone, or to its process group if it leads one. */
    void signal(String name, boolean group) {
        process.descendants().forEach(children::add);
        String target = (group ? "-" : "") + process.pid();
        try (SluiceProcess kill = program(new ProcessBuilder("kill", "-s", name, "--", target))) {
            assertThat(kill.end().exit()).isZero();
        }
    }

    @Override
    public void close() {
        process.descendants().forEach(children::add);
        process.toHandle().destroyForcibly();
        children.forEach(ProcessHandle::destroyForcibly);
        try {
            assertThat(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public String toString() {
        return command + "\nstandard output:\n" + String.join("\n", out.all()) + "\nstandard error:\n"
                + String.join("\n", err.all());
    }

    /** The lines of one stream, read by a thread of their own so that the process never waits for its reader. */
    private static final class Lines {

        private final Thread reader;

        // Under the lock of this object.
        private final List<String> lines = new ArrayList<>();
        private boolean ended;

        Lines(BufferedReader from, String name) {
            reader = Thread.ofPlatform().daemon().name(name).start(() -> read(from));
        }

        private void read(BufferedReader from) {
            try (from) {
                for (String line = from.readLine(); line != null; line = from.readLine()) {
                    add(line);
                }
            } catch (IOException e) {
                add("(" + e.getMessage() + ")");
            } finally {
                end();
            }
        }

        private synchronized void add(String line) {
            lines.add(line);
            notifyAll();
        }

        private synchronized void end() {
            ended = true;
            notifyAll();
        }

        synchronized List<String> all() {
            return List.copyOf(lines);
        }

        /** Null if the stream ended, or patience did, before the pattern was found in so many lines. */
        synchronized Matcher await(Pattern pattern, int times) {
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
            int found = 0;
            int next = 0;
            while (true) {
                while (next < lines.size()) {
                    Matcher matcher = pattern.matcher(lines.get(next++));
                    if (matcher.find() && ++found == times) {
                        return matcher;
                    }
                }
                long leftMillis = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
                if (ended || leftMillis <= 0) {
                    return null;
                }
                try {
                    wait(leftMillis);
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            }
        }

        void awaitEnd() throws InterruptedException {
            reader.join(TimeUnit.SECONDS.toMillis(PATIENCE_SECONDS));
            assertThat(reader.isAlive())
                    .as("somebody still holds the stream open")
                    .isFalse();
        }
    }
}
