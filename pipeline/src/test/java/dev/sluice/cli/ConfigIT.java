// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a user is told about a topology file and a command line, and by which exit status. */
class ConfigIT {

    private static final String RIGHT = """
            sluice {
              sources { f { type = replay, path = "/data/adc.raw", frame-size = 1MiB, loop = false } }
              filters { w { type = window, from = f, offset = 4KiB, length = 1KiB, every = 8KiB } }
              sinks { out { type = tcp, from = w, connect = "127.0.0.1:7000", framing = raw, transport = auto } }
            }
            """;

    private static final String MANY_MISTAKES = """
            sluice {
              drain-timeout = soon
              sources {
                adc {
                  type = replay
                  frame-size = 0
                  loop = perhaps
                  framesize = 3
                }
                fpga { type = simulatd }
              }
              filters {
                w {
                  type = window, from = nobody
                  length = 4KiB
                  every = 1KiB
                }
              }
              sinks {
                out {
                  type = tcp, from = w
                  connect = "nowhere"
                  transport = zerocpy
                  framing = raww
                  reconnect-jitter = 2
                }
              }
              colour = red
            }
            slice { }
            """;

    /** 100 ms bring 25,000 bytes, the default of 150 ms 37,500; two buffers hold 16,384. */
    private static final String RING = """
            sluice {
              sources { a { type = simulated, rate = 250kB, frames = 2, buffers = 2, buffer-size = 8KiB } }
              sinks { out { type = discard, from = a } }
            }
            """;

    @TempDir
    private Path folder;

    @Test
    void rightFileHasNoProblems() throws IOException {
        SluiceProcess.Ended check = check(RIGHT);

        assertThat(check.exit()).as("%s", check).isZero();
        assertThat(check.out()).singleElement().asString().endsWith("no problems");
        assertThat(check.err()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"check", "run"})
    void allProblemsAreReportedAtOnceWithFileLineAndColumn(String command) throws IOException {
        Path file = write(MANY_MISTAKES);
        SluiceProcess.Ended ended = SluiceProcess.run(command, file.toString());

        assertThat(ended.exit()).isEqualTo(78);
        assertThat(ended.out()).isEmpty();
        assertThat(ended.err().subList(0, ended.err().size() - 1))
                .allSatisfy(line -> assertThat(line).matches("\\Q" + file + "\\E:\\d+:\\d+: \\S.*"));
        assertThat(ended.err().getLast()).isEqualTo("14 problems");
        assertProblem(ended, file, 2, 3, "drain-timeout");
        assertProblem(ended, file, 4, 5, "path");
        assertProblem(ended, file, 6, 7, "frame-size");
        assertProblem(ended, file, 7, 7, "loop");
        assertProblem(ended, file, 8, 7, "did you mean \"frame-size\"?");
        assertProblem(ended, file, 10, 19, "did you mean \"simulated\"?");
        assertProblem(ended, file, 14, 29, "nobody");
        assertProblem(ended, file, 16, 7, "every");
        assertProblem(ended, file, 22, 7, "connect");
        assertProblem(ended, file, 23, 19, "did you mean \"zerocopy\"?");
        assertProblem(ended, file, 24, 17, "did you mean \"raw\"?");
        assertProblem(ended, file, 25, 7, "reconnect-jitter");
        assertProblem(ended, file, 28, 3, "colour");
        assertProblem(ended, file, 30, 1, "slice");
    }

    @ParameterizedTest
    @ValueSource(strings = {"check", "run"})
    void ringThatDoesNotHoldTheLongestPauseThatWasAskedForIsAProblem(String command) throws IOException {
        Path file = write(RING.replace("sluice {", "sluice { longest-pause = 100ms"));
        SluiceProcess.Ended ended = SluiceProcess.run(command, file.toString());

        assertThat(ended.exit()).as("%s", ended).isEqualTo(78);
        assertThat(ended.err()).hasSize(2);
        assertProblem(ended, file, 2, 61, "write buffers = 4,");
    }

    @Test
    void ringThatDoesNotHoldTheDefaultPauseIsAWarning() throws IOException {
        Path file = write(RING);
        SluiceProcess.Ended check = SluiceProcess.run("check", file.toString());
        assertThat(check.exit()).as("%s", check).isZero();
        assertThat(check.out()).singleElement().asString().endsWith("no problems");
        assertThat(check.err())
                .singleElement()
                .asString()
                .startsWith(file + ":2:61: warning: sources.a.buffers is 2")
                .contains("write buffers = 5,");

        SluiceProcess.Ended run = SluiceProcess.run("run", file.toString());
        assertThat(run.exit()).as("%s", run).isZero();
        assertThat(run.complaints()).isEmpty();
        assertThat(run.err())
                .anyMatch(line -> line.contains("WARN") && line.contains(file + ":2:61: sources.a.buffers is 2"));
    }

    @Test
    void nodeThatNothingUsesIsAProblem() throws IOException {
        SluiceProcess.Ended check = check(RIGHT.replace("sources {", "sources { spare { type = simulated }\n"));

        assertThat(check.exit()).isEqualTo(78);
        assertThat(check.err().getFirst()).contains(":2:13: ").contains("spare");
    }

    @Test
    void filtersThatFeedEachOtherAreAProblem() throws IOException {
        SluiceProcess.Ended check = check(RIGHT.replace("from = f,", "from = w2,")
                .replace("filters {", "filters { w2 { type = window, from = w, length = 1, every = 1 }\n"));

        assertThat(check.exit()).isEqualTo(78);
        assertThat(String.join("\n", check.err())).contains("these take frames from each other in a circle: w");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "sluice = 3",
                "sluice { sources { a { type = simulated ",
                "sluice { sources { a { type = simulated, rate = ${nope} } } }",
                "[1, 2]",
                "{\"a\": [1,2}",
                "\u0000\u0001\ufffd binary"
            })
    void fileThatCannotBeMadeSenseOfIsOneSentence(String content) throws IOException {
        Path file = write(content);
        SluiceProcess.Ended check = SluiceProcess.run("check", file.toString());

        assertThat(check.exit()).isEqualTo(78);
        assertThat(check.out()).isEmpty();
        assertThat(check.err()).hasSize(2);
        assertThat(check.err().getFirst()).startsWith(file.toString());
        assertThat(check.err().getLast()).isEqualTo("1 problem");
    }

    @Test
    void missingIncludedFileIsNamedInWords() throws IOException {
        SluiceProcess.Ended check = check("include required(file(\"/no/such/file.conf\"))");

        assertThat(check.exit()).isEqualTo(78);
        assertThat(check.err()).hasSize(2);
        assertThat(check.err().getFirst()).contains("/no/such/file.conf").doesNotContain("Exception");
    }

    @Test
    void fileThatIsNoTextIsOneSentence() throws IOException {
        Path file = Files.write(folder.resolve("topology.conf"), new byte[] {(byte) 0xff, (byte) 0xfe, 0, 1, 2});
        SluiceProcess.Ended check = SluiceProcess.run("check", file.toString());

        assertThat(check.exit()).isEqualTo(78);
        assertThat(check.err()).hasSize(2);
    }

    @ParameterizedTest
    @ValueSource(strings = {"check", "run"})
    void missingFileIsNamed(String command) {
        Path file = folder.resolve("missing.conf");
        SluiceProcess.Ended ended = SluiceProcess.run(command, file.toString());

        assertThat(ended.exit()).isEqualTo(78);
        assertThat(ended.out()).isEmpty();
        assertThat(ended.err().getFirst()).isEqualTo(file + ": does not exist");
    }

    @Test
    void folderIsNoTopology() {
        SluiceProcess.Ended ended = SluiceProcess.run("check", folder.toString());

        assertThat(ended.exit()).isEqualTo(78);
        assertThat(ended.err().getFirst()).startsWith(folder + ": is not a file");
    }

    @Test
    void commentsInJsonSubstitutionsAndSizesAreUnderstood() throws IOException {
        SluiceProcess.Ended check = check("""
                where = { host = "127.0.0.1" }
                """.concat(RIGHT)
                .replace("where", "# where")
                .replace("8KiB", "\"8 KiB\"")
                .replace("1MiB", "1048576"));

        assertThat(check.exit()).as("%s", check).isZero();
    }

    @Test
    void stackTraceIsForThoseWhoAskForIt() throws IOException {
        Path file = write(RIGHT.replace("/data/adc.raw", "/no/such/file"));

        assertThat(SluiceProcess.run("run", file.toString()).err()).noneMatch(line -> line.startsWith("\tat "));
        for (String option : List.of("-v", "--verbose")) {
            assertThat(SluiceProcess.run("run", option, file.toString()).err())
                    .as(option)
                    .anyMatch(line -> line.startsWith("\tat "));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "run --bogus x.conf",
                "check --bogus x.conf",
                "run",
                "check",
                "run a.conf b.conf",
                "receive --listen nonsense",
                "receive --listen 127.0.0.1:99999",
                "receive --listen 127.0.0.1",
                "receive --framing tin",
                "receive --record",
                "receive --framing raw --key-file key",
                "receive --tls-trust ca.pem",
                "receive --tls-certificate a.pem",
                "receive --connect 127.0.0.1:1 --tls-certificate a.pem --tls-private-key a.key",
                "receive --allow host",
                "receive --allow 10.1.2.3/8",
                "receive --connect 127.0.0.1:1 --allow 127.0.0.1",
                "receive extra",
                "frobnicate"
            })
    void wrongCommandLineIsToldWithTheUsage(String arguments) {
        SluiceProcess.Ended ended = SluiceProcess.run(arguments.split(" ", -1));

        assertThat(ended.exit()).as("%s", ended).isEqualTo(2);
        assertThat(ended.out()).isEmpty();
        assertThat(ended.err()).hasSizeGreaterThan(1);
        assertThat(ended.err().get(1)).startsWith("Usage: sluice");
    }

    @Test
    void withoutACommandTheHelpIsShown() {
        SluiceProcess.Ended ended = SluiceProcess.run();

        assertThat(ended.exit()).isEqualTo(2);
        assertThat(String.join("\n", ended.err())).contains("Usage: sluice", "run", "check", "demo", "receive");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "run", "check", "demo", "receive"})
    void helpIsThereForEveryCommand(String command) {
        SluiceProcess.Ended ended =
                command.isEmpty() ? SluiceProcess.run("--help") : SluiceProcess.run(command, "--help");

        assertThat(ended.exit()).isZero();
        assertThat(ended.err()).isEmpty();
        assertThat(ended.out().getFirst()).startsWith("Usage: sluice" + (command.isEmpty() ? "" : " " + command));
    }

    @Test
    void versionIsThatOfTheJar() {
        SluiceProcess.Ended ended = SluiceProcess.run("--version");

        assertThat(ended.exit()).isZero();
        assertThat(ended.out()).singleElement().asString().matches("sluice \\d+\\.\\d+.*");
    }

    private SluiceProcess.Ended check(String content) throws IOException {
        return SluiceProcess.run("check", "--no-environment", write(content).toString());
    }

    private Path write(String content) throws IOException {
        return Files.write(folder.resolve("topology.conf"), content.getBytes(StandardCharsets.UTF_8));
    }

    private static void assertProblem(SluiceProcess.Ended ended, Path file, int line, int column, String text) {
        assertThat(ended.err())
                .anyMatch(problem ->
                        problem.startsWith(file + ":" + line + ":" + column + ": ") && problem.contains(text));
    }
}
