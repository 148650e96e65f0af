// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.wire.Greeting;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code sluice check} beyond the file itself: the machine and the file's own tests; and {@code sluice graph}. */
class CheckIT {

    @TempDir
    private Path folder;

    private Path write(String text) throws IOException {
        return Files.writeString(folder.resolve("topology.conf"), text);
    }

    @Test
    void allThatTheMachineLacksIsToldAtOnce() throws IOException {
        Files.createFile(folder.resolve("empty"));
        Path file = write("""
                sluice {
                  sources {
                    a { type = driver, device = "/dev/no-such-device" }
                    b { type = replay, path = "%1$s/none" }
                    c { type = replay, path = "%1$s/empty" }
                    d { type = replay, path = "%1$s" }
                  }
                  sinks {
                    out { type = tcp, from = [a, b, c, d], connect = "no-such-host.invalid:7000" }
                  }
                }
                """.formatted(folder));
        SluiceProcess.Ended check = SluiceProcess.run("check", file.toString());

        assertThat(check.exit()).isEqualTo(78);
        assertThat(check.err())
                .satisfiesExactly(
                        line -> assertThat(line)
                                .startsWith(file + ":3:24: sources.a.device: /dev/no-such-device does not exist"),
                        line -> assertThat(line)
                                .isEqualTo(file + ":4:24: sources.b.path: " + folder + "/none does not exist"),
                        line -> assertThat(line)
                                .isEqualTo(file + ":5:24: sources.c.path: " + folder + "/empty is empty"),
                        line -> assertThat(line)
                                .isEqualTo(file + ":6:24: sources.d.path: " + folder + " is not a regular file"),
                        line -> assertThat(line)
                                .isEqualTo(
                                        file + ":9:44: sinks.out.connect: the name no-such-host.invalid is not known"),
                        line -> assertThat(line).isEqualTo("5 problems"));
        assertThat(SluiceProcess.run("check", "--no-environment", file.toString())
                        .out())
                .containsExactly(file + ": no problems");
    }

    @Test
    void filesForTlsThatAreNoneAreToldWhereTheyAreWritten() throws IOException {
        Path file = write("""
                sluice {
                  sources { a { type = simulated } }
                  sinks { out { type = tcp, from = a, connect = "localhost:7000"
                      tls { trust = "%s/none.pem" } } }
                }
                """.formatted(folder));
        SluiceProcess.Ended check = SluiceProcess.run("check", file.toString());
        assertThat(check.exit()).isEqualTo(78);
        assertThat(check.err())
                .containsExactly(
                        file + ":4:7: sinks.out.tls: the certificate file " + folder + "/none.pem does not exist",
                        "1 problem");
    }

    @Test
    void aKeyThatIsNoneIsToldWhereItIsWritten() throws IOException {
        Path key = Greeting.keyFile(folder.resolve("key"), "a key of which nobody else has heard")
                .path();
        Path file = write("""
                sluice {
                  sources { a { type = simulated } }
                  sinks {
                    out { type = tcp, from = a, connect = "localhost:7000"
                      auth { key-file = "%1$s" } }
                    in { type = tcp, from = a, listen = "127.0.0.1:0", auth.key-file = "%1$s-none" }
                  }
                }
                """.formatted(key));
        Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-r-----"));
        SluiceProcess.Ended check = SluiceProcess.run("check", file.toString());
        assertThat(check.exit()).isEqualTo(78);
        assertThat(check.err())
                .containsExactly(
                        file + ":5:14: sinks.out.auth.key-file: the key file " + key
                                + " is open to others than its owner; chmod 600 " + key,
                        file + ":6:61: sinks.in.auth.key-file: the key file " + key + "-none does not exist; make one: "
                                + "head -c 32 /dev/urandom | base64 > " + key + "-none; chmod 600 " + key + "-none",
                        "2 problems");
        assertThat(SluiceProcess.run("check", "--no-environment", file.toString())
                        .out())
                .containsExactly(file + ": no problems");
    }

    @Test
    void theFilesOwnTestsAreRun() throws IOException {
        Files.write(folder.resolve("in.bin"), new byte[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
        Path file = write("""
                sluice {
                  sources { a { type = simulated } }
                  filters {
                    w { type = window, from = a, offset = 1, length = 2, every = 4 }
                    v { type = window, from = w, length = 1, every = 2 }
                  }
                  sinks { out { type = discard, from = v } }
                  tests {
                    whole { filters = [w], input-file = "in.bin", output = "01 02 05 06 09" }
                    frames { filters = [w], input-file = "in.bin", frame-size = 5, output = "01 02 06 07" }
                    chain { filters = [w, v], input = "00 01 02 03 04 05 06 07", output = "0105" }
                    hash { filters = [w], input = "00 01 02"
                      output-sha256 = "%s" }
                  }
                }
                """.formatted("a12871fee210fb8619291eaea194581cbd2531e4b23759d225f6806923f63222"));
        SluiceProcess.Ended right = SluiceProcess.run("check", file.toString());
        assertThat(right.out()).as("%s", right).containsExactly(file + ": no problems, 4 tests passed");
        assertThat(right.exit()).isZero();

        Files.writeString(
                file,
                Files.readString(file).replace("01 02 06 07", "01 02 07 07").replace("a128", "b128"));
        SluiceProcess.Ended wrong = SluiceProcess.run("check", file.toString());
        assertThat(wrong.exit()).isEqualTo(78);
        assertThat(wrong.err())
                .satisfiesExactly(
                        line -> assertThat(line)
                                .isEqualTo(file
                                        + ":10:5: tests.frames fails: the output (4 bytes) is \"06 07\" from byte 2 on, "
                                        + "where \"07 07\" (of 4 bytes) was expected"),
                        line -> assertThat(line).startsWith(file + ":12:5: tests.hash fails: the output (2 bytes) has"),
                        line -> assertThat(line).isEqualTo("2 problems"));
    }

    @Test
    void whatIsWrongWithATestIsToldLikeAnythingElse() throws IOException {
        Path file = write("""
                sluice {
                  sources { a { type = simulated } }
                  filters { w { type = window, from = a, length = 1, every = 2 } }
                  sinks { out { type = discard, from = w } }
                  tests {
                    none { filters = [w], output = "00" }
                    both { filters = [w], input = "00", input-file = "x", output = "00" }
                    hex { filters = [w], input = "0", output = "zz" }
                    names { filters = [ww, a], input = "00", output = "" }
                    sha { filters = [w], input = "00", output-sha256 = "00", outptu = "" }
                    gone { filters = [w], input-file = "gone.bin", output = "" }
                  }
                }
                """);
        SluiceProcess.Ended check = SluiceProcess.run("check", file.toString());
        assertThat(check.exit()).isEqualTo(78);
        assertThat(String.join("\n", check.err()))
                .contains(
                        ":6:5: tests.none.input is missing: write it, or input-file",
                        ":7:27: tests.both.input is one of several: write only one of input, input-file",
                        "tests.hex.input is not bytes: write two hexadecimal digits for each",
                        "tests.hex.output is not bytes",
                        "tests.names.filters names \"ww\", which is no filter here that can be tested; there are w (did you",
                        "tests.names.filters names \"a\"",
                        "tests.sha.output-sha256 is not a SHA-256",
                        "tests.sha.outptu is not a setting here");
        Files.writeString(file, Files.readString(file).replaceAll("(?m)^    (none|both|hex|names|sha) .*\\n", ""));
        assertThat(SluiceProcess.run("check", file.toString()).err().getFirst())
                .startsWith(file + ":6:5: tests.gone cannot be run: ")
                .contains("gone.bin");
    }

    @Test
    void aTopologyIsDrawn() throws IOException {
        Path file = write("""
                sluice {
                  sources { adc { type = simulated, rate = 360MB }, old { type = simulated } }
                  filters { w { type = window, from = [adc, old], length = 1KiB, every = 8KiB } }
                  sinks {
                    daq { type = discard, from = [w, adc] }
                    raw { type = tcp, from = adc, connect = "h:1", when-full = drop-newest }
                  }
                }
                """);
        SluiceProcess.Ended text = SluiceProcess.run("graph", file.toString());
        assertThat(text.exit()).isZero();
        assertThat(text.out())
                .containsExactly(
                        "adc (simulated, rate = 360MB)",
                        "├─ w (window, every = 8KiB, length = 1KiB)",
                        "│  └─ daq (discard)  stream 0",
                        "├─ daq (discard)  stream 2",
                        "└─ raw (tcp, connect = h:1, when-full = drop-newest)",
                        "old (simulated)",
                        "└─ w (window, every = 8KiB, length = 1KiB)",
                        "   └─ daq (discard)  stream 1");
        SluiceProcess.Ended dot = SluiceProcess.run("graph", "--dot", file.toString());
        assertThat(dot.out())
                .startsWith("digraph sluice {")
                .contains("  \"adc\" -> \"w\";", "  \"w\" -> \"daq\";")
                .endsWith("}");
        assertThat(SluiceProcess.run("graph", folder.resolve("none").toString()).exit())
                .isEqualTo(78);
    }
}
