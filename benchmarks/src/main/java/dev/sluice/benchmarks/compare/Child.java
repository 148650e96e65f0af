// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.compare;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A process that says something in lines on standard output, and what it could not do on standard error. */
final class Child implements AutoCloseable {

    /** Far more than any needs: only one that hangs. */
    private static final long MOST_SECONDS = 60;

    private static final int EXIT_UNAVAILABLE = 69; // sysexits.h, EX_UNAVAILABLE

    private final String what;
    private final Process process;
    private final Path complaints;
    private final BufferedReader lines;

    Child(String what, List<String> command) throws IOException {
        this.what = what;
        complaints = Files.createTempFile("benchmark", ".err");
        complaints.toFile().deleteOnExit(); // also if there is no such program
        process = new ProcessBuilder(command).redirectError(complaints.toFile()).start();
        lines = process.inputReader();
    }

    long pid() {
        return process.pid();
    }

    /** The next line. One that hangs is killed by {@link #watch}, and this ends. */
    String line() throws IOException, InterruptedException, UnavailableException {
        String line = lines.readLine();
        if (line == null) {
            throw failed(process.waitFor());
        }
        return line;
    }

    /** The next line, of {@code name=number} and blanks. */
    Map<String, Long> figures() throws IOException, InterruptedException, UnavailableException {
        String line = line();
        Map<String, Long> figures = new LinkedHashMap<>();
        try {
            for (String figure : line.split(" ")) {
                int equals = figure.indexOf('=');
                figures.put(figure.substring(0, equals), Long.valueOf(figure.substring(equals + 1)));
            }
        } catch (RuntimeException e) {
            throw new IOException(what + " said \"" + line + "\"", e);
        }
        return figures;
    }

    /** All that it still says. */
    String rest() throws IOException {
        return lines.readAllAsString();
    }

    /** Kills it if it runs longer than it is to. */
    void watch(long millis) {
        Thread.ofVirtual().start(() -> {
            try {
                if (!process.waitFor(millis + TimeUnit.SECONDS.toMillis(MOST_SECONDS), TimeUnit.MILLISECONDS)) {
                    process.destroyForcibly();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
    }

    /** Waits for its end, which must be a good one. */
    void end() throws IOException, InterruptedException, UnavailableException {
        int status = process.waitFor();
        if (status != 0) {
            throw failed(status);
        }
    }

    private IOException failed(int status) throws IOException, UnavailableException {
        String complaint = Files.readString(complaints).strip();
        String last = complaint.substring(complaint.lastIndexOf('\n') + 1);
        if (status == EXIT_UNAVAILABLE) {
            throw new UnavailableException(last);
        }
        return new IOException(what + " ended with status " + status + (complaint.isEmpty() ? "" : ": " + complaint));
    }

    @Override
    public void close() {
        process.destroyForcibly();
        complaints.toFile().delete();
    }
}
