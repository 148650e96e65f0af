// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code bin/sluice}, as installed: beside the jar and without sources, so that it never builds. What {@code java} is, and
 * where, is what differs.
 */
class ScriptIT {

    private static final Path JDK_25 = Path.of(System.getProperty("java.home"));
    private static final String SEARCHED = "/usr/lib/jvm/* /opt/jdk* /opt/java/*";

    @TempDir
    private Path folder;

    private Path script;

    /** Says it is Java 17, and fails when it is used. */
    private Path jdk17;

    @BeforeEach
    void install() throws IOException {
        Path bin = Files.createDirectories(folder.resolve("pipeline with space/bin"));
        script = Files.copy(SluiceProcess.home().resolve("bin/sluice"), bin.resolve("sluice"));
        executable(script);
        Path target = SluiceProcess.home().resolve("target");
        Path lib = Files.createDirectories(bin.resolveSibling("target").resolve("lib"));
        Files.copy(target.resolve("sluice-pipeline.jar"), lib.resolveSibling("sluice-pipeline.jar"));
        try (DirectoryStream<Path> libraries = Files.newDirectoryStream(target.resolve("lib"))) {
            for (Path library : libraries) {
                Files.copy(library, lib.resolve(library.getFileName()));
            }
        }

        jdk17 = folder.resolve("jdk-17");
        Path java = Files.createDirectories(jdk17.resolve("bin")).resolve("java");
        Files.writeString(java, "#!/bin/sh\necho 'the wrong Java was started' >&2\nexit 99\n");
        executable(java);
        Files.writeString(jdk17.resolve("release"), "IMPLEMENTOR=\"Nobody\"\nJAVA_VERSION=\"17.0.15\"\n");
    }

    @Test
    void startsWithTheJavaOfJavaHomeAlthoughPathHasAnother() {
        SluiceProcess.Ended ended = run(jdk17, JDK_25, "--version");

        assertThat(ended.exit()).as("%s", ended).isZero();
        assertThat(ended.out()).singleElement().asString().startsWith("sluice ");
        assertThat(ended.err()).isEmpty();
    }

    @Test
    void startsWithTheJavaOfThePathAlthoughJavaHomeIsAnother() {
        SluiceProcess.Ended ended = run(JDK_25, jdk17, "--version");

        assertThat(ended.exit()).as("%s", ended).isZero();
        assertThat(ended.err()).isEmpty();
    }

    @Test
    void findsAnInstalledJdkAlthoughPathHasAnotherJava() {
        assumeTrue(JDK_25.startsWith("/usr/lib/jvm") || JDK_25.startsWith("/opt"), "no JDK 25 where it looks");
        SluiceProcess.Ended ended = run(jdk17, null, "--version");

        assertThat(ended.exit()).as("%s", ended).isZero();
        assertThat(ended.err()).isEmpty();
    }

    @Test
    void followsTheLinkThatItWasStartedBy() throws IOException {
        script = Files.createSymbolicLink(folder.resolve("link to sluice"), script);
        SluiceProcess.Ended ended = run(jdk17, JDK_25, "--version");

        assertThat(ended.exit()).as("%s", ended).isZero();
    }

    @Test
    void passesArgumentsAndExitStatusThrough() throws IOException {
        Path topology = Files.writeString(folder.resolve("a topology.conf"), """
                sluice {
                  sources { f { type = simulated } }
                  sinks { out { type = tcp, from = f, connect = "127.0.0.1:7000" } }
                }
                """);
        SluiceProcess.Ended right = run(jdk17, JDK_25, "check", topology.toString());
        assertThat(right.exit()).as("%s", right).isZero();
        assertThat(right.out()).containsExactly(topology + ": no problems");

        SluiceProcess.Ended missing = run(jdk17, JDK_25, "check", topology + " ");
        assertThat(missing.exit()).isEqualTo(78);
        assertThat(missing.err().getFirst()).startsWith(topology + " : ");
    }

    /** The script itself, but for the folders it searches: those may well hold a JDK 25 here. */
    @Test
    void saysWhatToInstallWhereThereIsNoJdk25() throws IOException {
        String text = Files.readString(script);
        assertThat(text).contains(SEARCHED);
        Files.writeString(script, text.replace(SEARCHED, folder + "/jdk*"));
        SluiceProcess.Ended ended = run(jdk17, null, "--version");

        assertThat(ended.exit()).isEqualTo(1);
        assertThat(ended.out()).isEmpty();
        assertThat(ended.err()).singleElement().asString().contains("Java 25", "install", "JAVA_HOME");
    }

    @Test
    void saysWhatToInstallWhereThereIsNoJavaAtAll() throws IOException {
        String text = Files.readString(script);
        Files.writeString(script, text.replace(SEARCHED, folder + "/nothing*").replace("command -v java", "false"));
        SluiceProcess.Ended ended = run(jdk17, null, "--version");

        assertThat(ended.exit()).isEqualTo(1);
        assertThat(ended.err()).singleElement().asString().contains("Java 25", "install", "JAVA_HOME");
    }

    /** With {@code java} of one JDK on the PATH, and JAVA_HOME naming another, or unset if null. */
    private SluiceProcess.Ended run(Path onPath, Path javaHome, String... arguments) {
        List<String> command = new ArrayList<>(List.of(script.toString()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("PATH", onPath.resolve("bin") + ":/usr/bin:/bin");
        builder.environment().remove("JAVA_HOME");
        builder.environment().remove("SLUICE_JAVA_OPTS");
        if (javaHome != null) {
            builder.environment().put("JAVA_HOME", javaHome.toString());
        }
        try (SluiceProcess process = SluiceProcess.program(builder)) {
            return process.end();
        }
    }

    private static void executable(Path file) throws IOException {
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
}
