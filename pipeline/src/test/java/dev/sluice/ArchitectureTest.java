// SPDX-License-Identifier: Apache-2.0
package dev.sluice;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The house of DESIGN.md: a package may use only those further down. */
final class ArchitectureTest {

    private static final List<String> TOP_DOWN = List.of(
            "cli",
            "control",
            "testkit",
            "stream",
            "topology",
            "receive",
            "device",
            "transport",
            "wire",
            "flow",
            "filter",
            "metrics",
            "linux");

    private static final JavaClasses SLUICE = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("dev.sluice");

    private static String packageOf(String name) {
        return "dev.sluice." + name + "..";
    }

    @Test
    void everyPackageHasItsPlace() {
        TreeSet<String> found = SLUICE.stream()
                .map(JavaClass::getPackageName)
                .map(name -> name.split("\\.", -1)[2])
                .collect(Collectors.toCollection(TreeSet::new));
        assertThat(found).containsExactlyInAnyOrderElementsOf(TOP_DOWN);
    }

    @Test
    void arrowsPointDownwards() {
        for (int place = 1; place < TOP_DOWN.size(); place++) {
            String[] above = TOP_DOWN.subList(0, place).stream()
                    .map(ArchitectureTest::packageOf)
                    .toArray(String[]::new);
            noClasses()
                    .that()
                    .resideInAPackage(packageOf(TOP_DOWN.get(place)))
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage(above)
                    .check(SLUICE);
        }
    }

    @Test
    void packagesFormNoCycles() {
        slices().matching("dev.sluice.(*)..").should().beFreeOfCycles().check(SLUICE);
    }

    @Test
    void aFilterNeedsNothingButTheJdkAndTypesafeConfig() {
        classes()
                .that()
                .resideInAPackage(packageOf("filter"))
                .should()
                .onlyDependOnClassesThat(
                        resideInAnyPackage("java..", "com.typesafe.config..", "org.jspecify..", packageOf("filter")))
                .check(SLUICE);
    }

    @Test
    void nativeCallsAreMadeInOnePackage() {
        noClasses()
                .that(resideInAPackage("dev.sluice..").and(describe("are not in linux", ArchitectureTest::isNotLinux)))
                .should()
                .dependOnClassesThat()
                .areAssignableTo(Linker.class)
                .orShould()
                .dependOnClassesThat()
                .areAssignableTo(SymbolLookup.class)
                .orShould()
                .dependOnClassesThat()
                .areAssignableTo(FunctionDescriptor.class)
                .orShould()
                .callMethodWhere(describe(
                        "reinterpret memory",
                        call -> call.getTargetOwner().isEquivalentTo(MemorySegment.class)
                                && call.getName().equals("reinterpret")))
                .check(SLUICE);
    }

    private static boolean isNotLinux(JavaClass tested) {
        return !resideInAPackage(packageOf("linux")).test(tested);
    }
}
